/** Frames of RFC 6455, also invalid ones, which WebSocket libraries refuse to send. */
import { randomBytes } from "node:crypto";

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  opcode: number;
  payload?: Uint8Array | string;
  /** Default: true. */
  fin?: boolean;
  /** The three reserved bits as a number: 4 is RSV1. Default: 0. */
  rsv?: number;
}

/** A frame of a client, masked. */
export function encodeFrame({ opcode, payload = "", fin = true, rsv = 0 }: Frame): Buffer {
  const data = Buffer.from(payload as Uint8Array);
  const mask = randomBytes(4);
  const head = Buffer.alloc(data.length < 126 ? 2 : data.length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  if (head.length === 2) head[1] = 0x80 | data.length;
  else if (head.length === 4) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(data.length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  for (let at = 0; at < data.length; at++) data[at] = (data[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, mask, data]);
}

export interface ReceivedFrame {
  opcode: number;
  fin: boolean;
  rsv: number;
  payload: Buffer;
}

/** Collects the bytes of a server and returns each frame once it is complete. @throws Error for a masked frame */
export function createFrameReader(): (bytes: Buffer) => ReceivedFrame[] {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const frames: ReceivedFrame[] = [];
    for (;;) {
      const [first, second] = rest;
      if (first === undefined || second === undefined) return frames;
      if (second & 0x80) throw new Error("the server sent a masked frame");
      const short = second & 0x7f;
      const head = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (rest.length < head) return frames;
      const length =
        short === 127 ? Number(rest.readBigUInt64BE(2)) : short === 126 ? rest.readUInt16BE(2) : short;
      if (rest.length < head + length) return frames;
      const payload = Buffer.from(rest.subarray(head, head + length));
      frames.push({ opcode: first & 0x0f, fin: first >= 0x80, rsv: (first >> 4) & 7, payload });
      rest = rest.subarray(head + length);
    }
  };
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Uint8Array | string = ""): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason as Uint8Array)]);
}
