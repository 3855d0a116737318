/** Features of the frame encoded last, so that a second prompt on a frame, or a propagation from it, is not encoded again. */
import type { FrameFeatures } from "../detector/graph.js";
import type { Frame, Model } from "./model.js";

export interface FeatureCache {
  /** @param withTrunk whether anything is going to be detected on the frame */
  get(frame: Frame, withTrunk: boolean): Promise<FrameFeatures>;
  clear(): void;
}

export function createFeatureCache(model: Pick<Model, "encode">): FeatureCache {
  let last: { index: number; features: FrameFeatures } | null = null;
  return {
    async get(frame, withTrunk) {
      if (last?.index === frame.index && (last.features.trunk || !withTrunk)) return last.features;
      const features = await model.encode(frame, withTrunk);
      last = { index: frame.index, features };
      return features;
    },
    clear() {
      last = null;
    },
  };
}
