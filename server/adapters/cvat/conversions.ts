/** The conversions of this adapter, see `conversion-thread.ts`. */
import { readInvocation } from "./read-request.js";
import { detectionOf, pointsOf, readMask, rowsOf } from "./shapes.js";

export const CONVERSIONS = {
  readInvocation,
  readMask,
  points: pointsOf,
  rows: rowsOf,
  detection: detectionOf,
};

export type Conversions = typeof CONVERSIONS;
