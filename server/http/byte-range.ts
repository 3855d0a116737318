/** First and last byte, both inclusive. */
export interface ByteRange {
  first: number;
  last: number;
}

/**
 * The header Range for a file of `bytes` bytes, by RFC 9110. Undefined: the whole file, also for a header that is invalid or
 * names several ranges, which a server may ignore.
 */
export function readRange(
  header: string | undefined,
  bytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? "");
  const [, from = "", to = ""] = match ?? [];
  if (from === "" && to === "") return undefined;
  if (from === "") {
    const length = Math.min(Number(to), bytes);
    return length > 0 ? { first: bytes - length, last: bytes - 1 } : "unsatisfiable";
  }
  const first = Number(from);
  const last = to === "" ? bytes - 1 : Number(to);
  if (to !== "" && last < first) return undefined;
  return first < bytes ? { first, last: Math.min(last, bytes - 1) } : "unsatisfiable";
}
