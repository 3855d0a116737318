/**
 * Features of a session's frames: of the last one, so that a second prompt on it or a propagation from it does not encode
 * it again; and of coming frames, which are encoded while earlier ones are tracked.
 */
import type { FrameFeatures } from "../detector/graph.js";
import type { Frame, Model } from "./model.js";

export interface FeatureCache {
  /**
   * Starts to encode a frame that `get` will request soon. Keeps the newest two of these frames.
   * @param withTrunk whether the detector runs on the frame
   */
  prepare(frame: Frame, withTrunk: boolean): void;
  /** @param withTrunk see {@link FeatureCache.prepare} */
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

/** The next frame and the one after it. */
const MAX_PREPARED = 2;

export function createFeatureCache(model: Pick<Model, "encode">): FeatureCache {
  let last: Entry | undefined;
  let prepared: Entry[] = [];

  function encode(frame: Frame, withTrunk: boolean): Entry {
    const features = model.encode(frame, withTrunk);
    // `get` reports the failure; a prepared frame that is never requested must not end the process.
    features.catch(() => {});
    return { index: frame.index, withTrunk, features };
  }

  const find = ({ index }: Frame, withTrunk: boolean) =>
    [last, ...prepared].find((entry) => entry?.index === index && (entry.withTrunk || !withTrunk));

  return {
    prepare(frame, withTrunk) {
      if (find(frame, withTrunk)) return;
      const others = prepared.filter(({ index }) => index !== frame.index);
      prepared = [...others, encode(frame, withTrunk)].slice(-MAX_PREPARED);
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
