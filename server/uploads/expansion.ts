import { FIXED_LIMITS } from "../../protocol/limits.js";
import { checkUploadBytes, uploadTooLarge } from "./errors.js";
import type { UploadLimits } from "./limits.js";

/**
 * Counts the bytes that an archive expands to. Throws `upload_too_large` when they exceed `maxUploadBytes`, or the size of
 * the archive so much that it is a decompression bomb.
 *
 * @param packedBytes size of the archive
 */
export function createExpansionCounter(
  packedBytes: number,
  limits: Pick<UploadLimits, "maxUploadBytes">,
): (bytes: number) => void {
  const { archiveExpansion, archiveExpansionSlack } = FIXED_LIMITS;
  const maxBytes = packedBytes * archiveExpansion.value + archiveExpansionSlack.value;
  let expandedBytes = 0;
  return (bytes) => {
    expandedBytes += bytes;
    checkUploadBytes(expandedBytes, limits);
    if (expandedBytes <= maxBytes) return;
    throw uploadTooLarge(
      `The archive of ${packedBytes} bytes expands to more than ${maxBytes} bytes, ${archiveExpansion.value} times its size.`,
      "archiveExpansion",
    );
  };
}

/** Passes chunks on and counts them. */
export async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}
