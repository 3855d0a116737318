/** Numbers as ffprobe prints them. */

/** "30000/1001" as a number; 0 for "0/0" and for a missing value. */
export function rational(text: string | undefined): number {
  const [numerator, denominator] = (text ?? "").split("/").map(Number);
  return numerator && denominator ? numerator / denominator : 0;
}

/** Undefined for a missing value and for "N/A". */
export function seconds(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
