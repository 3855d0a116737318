/** Grows when the theme changes: canvases read their colours again. */
import { type ReadonlySignal, signal } from "@preact/signals";

const version = signal(0);
let isWatching = false;

export function themeVersion(): ReadonlySignal<number> {
  if (!isWatching) {
    isWatching = true;
    const grow = () => {
      version.value++;
    };
    new MutationObserver(grow).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["class", "data-theme", "style"],
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", grow);
  }
  return version;
}
