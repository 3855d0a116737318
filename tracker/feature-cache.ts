/**
 * Caches the features of two kinds of frames. The last requested frame, so that another prompt on it or a propagation from
 * it does not encode it again. And the prepared frames of a propagation, which are encoded while earlier frames are tracked.
 */
import type { FrameFeatures } from "../detector/graph.js";
import type { Frame, Model } from "./model.js";

export interface FeatureCache {
  /**
   * Starts to encode a frame before `get` requests it. Keeps the newest {@link MAX_PREPARED_FRAMES} of these frames.
   * @param withTrunk whether the detector runs on the frame
   */
  prepare(frame: Frame, withTrunk: boolean): void;
  /**
   * The features of a frame; encodes it when they are not in the cache.
   * @param withTrunk see {@link FeatureCache.prepare}
   * @throws the error of the `encode` graph; a later call encodes the frame again
   */
  get(frame: Frame, withTrunk: boolean): Promise<FrameFeatures>;
  /** Drops the frames that were prepared but not requested. */
  forgetPrepared(): void;
  clear(): void;
}

interface Entry {
  index: number;
  withTrunk: boolean;
  features: Promise<FrameFeatures>;
}

/**
 * Prepared frames that are kept: the one that is tracked next, and the one after it. A caller may not prepare more frames
 * before it steps the first one.
 */
export const MAX_PREPARED_FRAMES = 2;

export function createFeatureCache(model: Pick<Model, "encode">): FeatureCache {
  let last: Entry | undefined;
  let prepared: Entry[] = [];

  function encode(frame: Frame, withTrunk: boolean): Entry {
    const features = model.encode(frame, withTrunk);
    // `get` reports the failure. Without this handler, the failure of a frame that is never requested ends the process.
    features.catch(() => {});
    return { index: frame.index, withTrunk, features };
  }

  const find = ({ index }: Frame, withTrunk: boolean) =>
    [last, ...prepared].find((entry) => entry?.index === index && (entry.withTrunk || !withTrunk));

  return {
    prepare(frame, withTrunk) {
      if (find(frame, withTrunk)) return;
      const others = prepared.filter(({ index }) => index !== frame.index);
      prepared = [...others, encode(frame, withTrunk)].slice(-MAX_PREPARED_FRAMES);
    },
    async get(frame, withTrunk) {
      const entry = find(frame, withTrunk) ?? encode(frame, withTrunk);
      prepared = prepared.filter(({ index }) => index !== frame.index);
      last = entry;
      try {
        return await entry.features;
      } catch (error) {
        if (last === entry) last = undefined;
        throw error;
      }
    },
    forgetPrepared() {
      prepared = [];
    },
    clear() {
      last = undefined;
      prepared = [];
    },
  };
}
