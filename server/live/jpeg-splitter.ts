/** Splits a stream of JPEG pictures, one directly after the other, into pictures. */

const MARKER = 0xff;
const START = 0xd8;
const END = 0xd9;
const SCAN = 0xda;

export interface JpegSplitter {
  /** The pictures that this chunk completes. @throws RangeError for a picture of more than `maxBytes` */
  push(chunk: Uint8Array): Uint8Array[];
}

/** @param maxBytes of one picture */
export function createJpegSplitter(maxBytes: number): JpegSplitter {
  let pending = Buffer.alloc(0);

  return {
    push(chunk) {
      pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
      const pictures: Uint8Array[] = [];
      for (;;) {
        const start = pending.indexOf(Uint8Array.of(MARKER, START));
        if (start < 0) {
          // The last byte may be the first one of a marker.
          pending = pending.subarray(Math.max(0, pending.length - 1));
          return pictures;
        }
        const end = endOfPicture(pending, start);
        if (end === undefined) {
          pending = pending.subarray(start);
          if (pending.length > maxBytes) throw new RangeError(`a picture has more than ${maxBytes} bytes`);
          return pictures;
        }
        pictures.push(Uint8Array.prototype.slice.call(pending, start, end));
        pending = pending.subarray(end);
      }
    },
  };
}

/** The position after the picture that starts at `start`; undefined when its end has not arrived. */
function endOfPicture(bytes: Buffer, start: number): number | undefined {
  let at = start + 2;
  // Segments have lengths, so the thumbnail of a header is passed over as a whole.
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== MARKER) {
      at++;
      continue;
    }
    const marker = bytes[at + 1] as number;
    if (marker === END) return at + 2;
    if (marker === SCAN) return endOfScans(bytes, at);
    const isAlone = marker === MARKER || marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= START);
    at += isAlone ? 1 : 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

/** Within a scan, a byte 0xff is followed by 0 or a restart marker; the end marker cannot occur in it. */
function endOfScans(bytes: Buffer, from: number): number | undefined {
  const end = bytes.indexOf(Uint8Array.of(MARKER, END), from);
  return end < 0 ? undefined : end + 2;
}
