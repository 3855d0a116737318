/** Unites and divides the content of memory banks, when the user merges, splits or swaps objects. Pure functions. */
import type { BankSnapshot } from "./bank.js";

/**
 * Unites the memories of two banks that describe the same object on different frames. A frame of which both banks have a
 * memory keeps the conditioning one, or that of the first bank. A tracked memory of a frame that both have shows only a part
 * of the object, so both are dropped.
 */
export function uniteContents(a: BankSnapshot, b: BankSnapshot): BankSnapshot {
  const framesOf = (entries: readonly { frameIndex: number }[]) =>
    new Set(entries.map(({ frameIndex }) => frameIndex));
  const given = framesOf(a.conditioning);
  const conditioning = [
    ...a.conditioning,
    ...b.conditioning.filter(({ frameIndex }) => !given.has(frameIndex)),
  ];
  const all = framesOf(conditioning);
  const unite = <E extends { frameIndex: number }>(some: readonly E[], others: readonly E[]): E[] => {
    const [first, second] = [framesOf(some), framesOf(others)];
    return [...some, ...others].filter(
      ({ frameIndex }) => !all.has(frameIndex) && !(first.has(frameIndex) && second.has(frameIndex)),
    );
  };
  return { conditioning, recent: unite(a.recent, b.recent), pointers: unite(a.pointers, b.pointers) };
}

/** Divides a bank into the memories before a frame and those from it on. */
export function divideContent(
  content: BankSnapshot,
  frameIndex: number,
): { before: BankSnapshot; after: BankSnapshot } {
  return {
    before: contentWhere(content, (index) => index < frameIndex),
    after: contentWhere(content, (index) => index >= frameIndex),
  };
}

/** The memories of the frames that a predicate selects. */
export function contentWhere(content: BankSnapshot, keeps: (frameIndex: number) => boolean): BankSnapshot {
  const kept = (entry: { frameIndex: number }) => keeps(entry.frameIndex);
  const { conditioning, recent, pointers } = content;
  return {
    conditioning: conditioning.filter(kept),
    recent: recent.filter(kept),
    pointers: pointers.filter(kept),
  };
}

/** The content of two banks together. The banks have no frame in common. */
export function joinContents(a: BankSnapshot, b: BankSnapshot): BankSnapshot {
  return {
    conditioning: [...a.conditioning, ...b.conditioning],
    recent: [...a.recent, ...b.recent],
    pointers: [...a.pointers, ...b.pointers],
  };
}
