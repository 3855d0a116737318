/**
 * Features of a session's frames: of the one encoded last, so that a second prompt on it, or a propagation from it, is not
 * encoded again; and of those that are coming, which are encoded while others are worked on.
 */
import type { FrameFeatures } from "../detector/graph.js";
import type { Frame, Model } from "./model.js";

export interface FeatureCache {
  /**
   * Starts to encode a frame that will be asked for soon. Of frames that nobody has asked for, the newest two are kept.
   * @param withTrunk whether anything is going to be detected on the frame
   */
  prepare(frame: Frame, withTrunk: boolean): void;
  /** @param withTrunk see {@link FeatureCache.prepare} */
  get(frame: Frame, withTrunk: boolean): Promise<FrameFeatures>;
  /** Forgets the frames that nobody has asked for. */
  forgetPrepared(): void;
  clear(): void;
}

interface Entry {
  index: number;
  withTrunk: boolean;
  features: Promise<FrameFeatures>;
}

/** The frame whose turn is next, and the one behind it. */
const MAX_PREPARED = 2;

export function createFeatureCache(model: Pick<Model, "encode">): FeatureCache {
  let last: Entry | undefined;
  let prepared: Entry[] = [];

  function encode(frame: Frame, withTrunk: boolean): Entry {
    const features = model.encode(frame, withTrunk);
    // A failure is met by whoever asks for the frame; until then nobody listens.
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
