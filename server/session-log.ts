/** The numbered results of one session, oldest first. Numbers start at 1. */
import { decodeEnvelope, encodeEnvelope, encodeMessage, type ServerMessage } from "../protocol/index.js";

/** One message of the session, in the form in which it is sent. */
export interface Result {
  seq: number;
  type: ServerMessage["type"];
  /** The request that it answers; undefined for events. */
  requestId: string | undefined;
  data: string | Uint8Array;
}

/** What a message contains besides its `type`, `request_id`, `session_id` and `seq`. */
export type ResultFields = object;

export interface SessionLog {
  /** Number of the newest result; 0 before the first. */
  readonly lastSeq: number;
  /** Number of the oldest result that the log still has; `lastSeq + 1` when it has none. */
  readonly firstSeq: number;
  /** Approximate memory of the results. */
  readonly bytes: number;
  /** Encodes one message and adds it. With packed masks it is a binary envelope. */
  append(type: Result["type"], requestId: string | undefined, fields: ResultFields): Result;
  get(seq: number): Result | undefined;
  /** Drops the oldest results up to number `throughSeq`, as long as at least `keepBytes` remain. */
  trim(throughSeq: number, keepBytes: number): void;
}

/** Memory of a result besides its message. */
const OVERHEAD_BYTES = 128;

/** Dropped places at the start of the array after which it is copied. */
const COMPACT_AFTER = 1024;

export function createSessionLog(session_id: string): SessionLog {
  let results: (Result | undefined)[] = [];
  let dropped = 0;
  let firstSeq = 1;
  let lastSeq = 0;
  let bytes = 0;
  const sizeOf = ({ data }: Result) => data.length + OVERHEAD_BYTES;

  return {
    get lastSeq() {
      return lastSeq;
    },
    get firstSeq() {
      return firstSeq;
    },
    get bytes() {
      return bytes;
    },
    append(type, requestId, fields) {
      lastSeq++;
      // The fields of the session come last, so that no field of an answer replaces them. `anonymous` relies on the order of
      // the first two.
      const message = { type, request_id: requestId, ...fields, session_id, seq: lastSeq };
      const data = encodeMessage(message);
      const result = { seq: lastSeq, type, requestId, data };
      results.push(result);
      bytes += sizeOf(result);
      return result;
    },
    get: (seq) => (seq < firstSeq ? undefined : results[dropped + seq - firstSeq]),
    trim(throughSeq, keepBytes) {
      while (firstSeq <= Math.min(throughSeq, lastSeq)) {
        const size = sizeOf(results[dropped] as Result);
        if (bytes - size < keepBytes) break;
        results[dropped] = undefined;
        dropped++;
        firstSeq++;
        bytes -= size;
      }
      if (dropped < COMPACT_AFTER || dropped < results.length / 2) return;
      results = results.slice(dropped);
      dropped = 0;
    },
  };
}

/** The message of a result for connections that did not make its request: `request_id` is null. */
export function anonymous({ type, requestId, data }: Result): string | Uint8Array {
  if (requestId === undefined) return data;
  if (typeof data !== "string") {
    const { header, payload } = decodeEnvelope(data);
    return encodeEnvelope({ ...header, request_id: null }, payload);
  }
  const start = JSON.stringify({ type, request_id: requestId }).length - 1;
  return JSON.stringify({ type, request_id: null }).slice(0, -1) + data.slice(start);
}
