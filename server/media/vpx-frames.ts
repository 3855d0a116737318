/**
 * Which packets of VP8 and VP9 show a picture. Encoders insert reference frames that are decoded and never shown
 * (`show_frame` is 0): VP8 as packets of their own, VP9 usually within the packet of a shown frame (a superframe).
 */

/** RFC 6386, section 9.1: bit 4 of the frame tag. */
export function showsVp8Picture(payload: Uint8Array): boolean {
  return payload.length > 0 && ((payload[0] as number) & 0x10) !== 0;
}

/** VP9 bitstream specification, sections 6.2 (uncompressed_header) and Annex B (superframes). */
export function showsVp9Picture(payload: Uint8Array): boolean {
  const first = payload[0];
  if (first === undefined) return false;
  const isSuperframe = ((payload.at(-1) as number) & 0xe0) === 0xc0 && isSuperframeIndex(payload);
  if (isSuperframe) return true;
  const profile = ((first >> 5) & 1) | ((first >> 3) & 2);
  // Profile 3 has a reserved bit before `show_existing_frame`, `frame_type` and `show_frame`.
  const shift = profile === 3 ? 1 : 0;
  const showExistingFrame = (first >> (3 - shift)) & 1;
  const showFrame = (first >> (1 - shift)) & 1;
  return showExistingFrame === 1 || showFrame === 1;
}

/** The index of a superframe begins and ends with the same byte. */
function isSuperframeIndex(payload: Uint8Array): boolean {
  const marker = payload.at(-1) as number;
  const frames = (marker & 7) + 1;
  const bytesPerSize = ((marker >> 3) & 3) + 1;
  return payload.at(-(2 + frames * bytesPerSize)) === marker;
}
