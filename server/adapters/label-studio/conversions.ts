/** The conversions of this adapter, see `conversion-thread.ts`. */
import type { CocoRle } from "../../../protocol/index.js";
import { encodeBrush } from "../../exports/brush.js";
import { keyframesOfTrack } from "./keyframes.js";
import { readPredictRequest } from "./read-request.js";
import type { Answered } from "./schemas.js";

export const CONVERSIONS = {
  readRequest: readPredictRequest,
  keyframes: keyframesOfTrack,
  /** The JSON of a brush region, whose mask is a list of thousands of numbers. */
  brushRegion: (mask: CocoRle, region: Omit<Answered, "value">, label: string): string =>
    JSON.stringify({ ...region, value: { format: "rle", rle: encodeBrush(mask), brushlabels: [label] } }),
};

export type Conversions = typeof CONVERSIONS;
