/** Finds stretches with concealed damage, in which the picture of a frame depends on where decoding started. */
import { keyframeBefore, keyframeFrom, type VideoIndex } from "./video-index.js";

/** A decoder holds back at most 16 pictures to reorder them and one for each of its threads, while its log runs ahead. */
const MAX_DELAY_FRAMES = 18;

/** How many keyframes further back decoding starts, in this order, before it starts at the file's start. */
const STEPS_BACK = [0, 1, 3, 7, 15, 31];

export interface Reliability {
  /**
   * Takes the pictures of one run in order. False when the picture may differ from the one that decoding from the file's
   * start yields.
   */
  isReliable(picture: { frame: number; isConcealed: boolean }): boolean;
}

/**
 * A decoder fills the damaged parts of a picture from pictures before it, also across a keyframe. They are the same as after
 * decoding from the file's start once a whole stretch between two keyframes was decoded without damage.
 *
 * @param start the keyframe at which decoding starts
 */
export function createReliability(index: VideoIndex, start: number): Reliability {
  /** The keyframe since which there is no damage; undefined while there is none. */
  let cleanFrom: number | undefined = start;
  let isSettled = false;
  let isDamaged = false;
  let lastConcealed = Number.NEGATIVE_INFINITY;
  return {
    isReliable({ frame, isConcealed }) {
      if (isSettled) return true;
      if (isConcealed) {
        isDamaged = true;
        lastConcealed = frame;
        cleanFrom = undefined;
      } else if (
        cleanFrom === undefined &&
        frame > lastConcealed + MAX_DELAY_FRAMES &&
        keyframeFrom(index, frame) === frame
      ) {
        cleanFrom = frame;
      }
      const following = cleanFrom === undefined ? -1 : keyframeFrom(index, cleanFrom + 1);
      isSettled = following >= 0 && frame >= following - 1;
      return isSettled || !isDamaged;
    },
  };
}

/** Keyframes before frame `frame` from which a damaged stretch is decoded, nearest first; without the first of the file. */
export function startsFor(index: VideoIndex, frame: number): number[] {
  const rank = index.keyframes.indexOf(keyframeBefore(index, frame));
  return STEPS_BACK.flatMap((steps) => {
    const start = index.keyframes[rank - steps];
    return start === undefined || start === 0 ? [] : [start];
  });
}
