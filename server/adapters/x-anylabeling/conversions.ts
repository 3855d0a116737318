/** The conversions of this adapter, see `conversion-thread.ts`. */
import { type OutlinedObject, type Shape, shapesOf } from "./shapes.js";

export const CONVERSIONS = {
  /** The shapes of each object. */
  shapes: (objects: readonly OutlinedObject[], epsilonFactor: number): Shape[][] =>
    objects.map((object) => shapesOf(object, epsilonFactor)),
};

export type Conversions = typeof CONVERSIONS;
