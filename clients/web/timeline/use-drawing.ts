import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";

/**
 * Draws once per displayed frame at most, and again when a signal changes that `read` has read.
 * @param read reads the signals and returns the drawing. It runs again for new `inputs`.
 */
export function useDrawing(read: () => () => void, inputs: readonly unknown[]): void {
  useEffect(() => {
    let request = 0;
    let draw: () => void = () => {};
    const stop = effect(() => {
      draw = read();
      request ||= requestAnimationFrame(() => {
        request = 0;
        draw();
      });
    });
    return () => {
      stop();
      cancelAnimationFrame(request);
    };
  }, inputs);
}
