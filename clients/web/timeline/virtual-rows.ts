/** Which rows of a long list exist in the document. */

export interface RowWindow {
  first: number;
  /** Exclusive. */
  end: number;
  /** Height of the space above the first row. */
  offsetPx: number;
  totalPx: number;
}

/** Rows outside the viewport that are kept, so that scrolling shows no gap. */
const OVERSCAN = 3;

export function rowWindow(
  numRows: number,
  rowPx: number,
  scrollTopPx: number,
  viewportPx: number,
): RowWindow {
  const first = Math.max(0, Math.min(numRows, Math.floor(scrollTopPx / rowPx) - OVERSCAN));
  const end = Math.min(numRows, Math.ceil((scrollTopPx + viewportPx) / rowPx) + OVERSCAN);
  return { first, end: Math.max(first, end), offsetPx: first * rowPx, totalPx: numRows * rowPx };
}
