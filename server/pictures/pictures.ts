/**
 * Decodes the pictures of clients in processes of their own. A picture of a few bytes can unfold to more than a gigabyte, and
 * decoders are native code: the server itself decodes none.
 *
 * One process decodes small pictures, several at once. Another decodes large ones, one at a time, so that small pictures never
 * wait for a large one. The memory of both counts as `pictureBytes` of the owner.
 */
import { FIELD_LIMITS } from "../../protocol/limits.js";
import { type Clock, systemClock } from "../clock.js";
import type { MediaLimits } from "../media/limits.js";
import type { OwnerId } from "../session-owner.js";
import type { Lease, Shares } from "../shares/shares.js";
import { costOf } from "./cost.js";
import { createLane, type LaneTiming, type Order } from "./lane.js";
import {
  type Cost,
  type FailureKind,
  type Header,
  isOfPixels,
  type PictureFormat,
  type ResultOf,
  type Work,
  type WorkRules,
} from "./messages.js";
import { type Outcome, PictureProcessEnded } from "./picture-process.js";
import { HEAD_BYTES, type PictureSource, sourceOf } from "./source.js";

export interface Pictures {
  of(owner: OwnerId): OwnerPictures;
  /** Ids of the processes that run now: of small pictures, of large pictures. */
  readonly pids: (number | undefined)[];
  /** Ends the processes. Work in progress rejects. */
  close(): Promise<void>;
}

export interface PictureRequest {
  limits: MediaLimits;
  signal?: AbortSignal;
}

/** Reads pictures on behalf of one owner. */
export interface OwnerPictures {
  /**
   * The header of a file. With `isWhole`, that of the whole file, which the number of its pictures needs; otherwise the
   * first {@link HEAD_BYTES} bytes are enough for most files.
   *
   * @throws as {@link OwnerPictures.run}
   */
  probe(
    source: PictureSource,
    format: PictureFormat,
    request: PictureRequest & { isWhole?: boolean },
  ): Promise<Header>;
  /**
   * @throws PictureError; ProtocolError server_busy; the reason of the signal; the error of the source
   */
  run<W extends Exclude<Work, { kind: "probe" }>>(
    work: W,
    source: PictureSource,
    request: PictureRequest,
  ): Promise<ResultOf<W>>;
}

/** Why a picture cannot be read. */
export class PictureError extends Error {
  override readonly name = "PictureError";

  constructor(
    /** `exhausted`: its decoder took too much memory or time, or ended. */
    readonly kind: FailureKind | "exhausted",
    /** For the log. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface PicturesParts {
  shares: Shares;
  /** The smaller one of `maxPictureBytes` and `maxPictureBytesPerOwner`. */
  maxBytes: number;
  clock?: Clock;
  log?: (message: string) => void;
  timing?: Partial<LaneTiming>;
}

const MIB = 1024 ** 2;

/** What a small picture may take, and how many are decoded at once. */
export const SMALL: Cost = { bytes: 128 * MIB, pixels: 20 * MIB };
const SMALL_AT_ONCE = 2;

/** A file up to this size is sent without a look at its header: most are small pictures. */
const SENT_AT_ONCE_BYTES = 1024 * 1024;

const TIMING: LaneTiming = { maxWaitMs: 60_000, workMs: 120_000, silenceMs: 15_000, idleMs: 60_000 };

export function createPictures(parts: PicturesParts): Pictures {
  const { shares, maxBytes, clock = systemClock, log = () => {} } = parts;
  const timing = { ...TIMING, ...parts.timing };
  const lane = { timing, clock, log };
  const small = createLane({ ...lane, places: SMALL_AT_ONCE, endsOnAbort: false });
  const large = createLane({ ...lane, places: 1, endsOnAbort: true });
  /** The rest is always free for small pictures. */
  const largeBytes = Math.max(1, maxBytes - SMALL_AT_ONCE * SMALL.bytes);

  /** Memory for work whose turn it is. It is free, unless the limits leave less room than the processes can take. */
  async function lease({ owner, signal }: Order<Work>, amount: number): Promise<() => void> {
    let held: Lease;
    try {
      held = shares.take("pictureBytes", owner, amount);
    } catch {
      const { maxWaitMs } = timing;
      held = await shares.wait("pictureBytes", owner, { amount, maxWaitMs, ...(signal && { signal }) });
    }
    return () => held.release();
  }

  function runSmall<W extends Work>(order: Order<W>, bytes: number): Promise<Outcome<W>> {
    return small.run(order, () => lease(order, bytes));
  }

  /** Owners take turns before they take memory, so that no more than one large picture is counted at a time. */
  function runLarge<W extends Work>(order: Order<W>, cost: Cost): Promise<Outcome<W>> {
    const admitted = { ...order, rules: { ...order.rules, admitted: cost } };
    // A picture that needs more than all may take is decoded alone.
    return large.run(admitted, () => lease(order, Math.min(cost.bytes, largeBytes)));
  }

  /** Runs work that takes `cost`; undefined: not known yet. */
  async function run<W extends Work>(order: Order<W>, known: Cost | undefined): Promise<Outcome<W>> {
    let cost = known ?? SMALL;
    if (fits(cost)) {
      try {
        const outcome = await runSmall(order, cost.bytes);
        if (outcome.kind !== "needs") return outcome;
        cost = outcome.cost;
      } catch (error) {
        // It may not be at fault: others were in progress. Alone it has another chance.
        if (!isFailureOf(error)) throw error;
      }
    }
    try {
      return await runLarge(order, cost);
    } catch (error) {
      if (!isFailureOf(error) || error.cause !== "crash") throw error;
      return runLarge(order, cost);
    }
  }

  async function probe(order: Order<Probe>, isWhole: boolean): Promise<Outcome<Probe>> {
    const { source } = order;
    if (source.byteLength > HEAD_BYTES && !isWhole) {
      const head = sourceOf(await headOf(source));
      const outcome = await run({ ...order, source: head }, undefined);
      if (outcome.kind === "done") return outcome;
    }
    return run(order, costOf(order.work, undefined, source.byteLength));
  }

  return {
    of: (owner) => ({
      async probe(source, format, { limits, signal, isWhole = false }) {
        const rules = rulesOf(limits, SMALL);
        const order = { owner, source, rules, work: { kind: "probe", format } as const };
        const { header } = await resultOf(probe({ ...order, ...(signal && { signal }) }, isWhole));
        checkSize(header, limits);
        return header;
      },
      async run(work, source, request) {
        const { limits, signal } = request;
        const { byteLength } = source;
        let cost: Cost | undefined;
        if (isOfPixels(work)) cost = costOf(work, undefined, byteLength);
        else if (byteLength > SENT_AT_ONCE_BYTES)
          cost = costOf(work, await this.probe(source, work.format, request), byteLength);
        const rules = rulesOf(limits, cost ?? SMALL);
        const order = { owner, work, source, rules, ...(signal && { signal }) };
        return resultOf<typeof work>(run(order, cost));
      },
    }),
    get pids() {
      return [small.pid, large.pid];
    },
    async close() {
      await Promise.all([small.close(), large.close()]);
    },
  };
}

type Probe = Extract<Work, { kind: "probe" }>;

function fits({ bytes, pixels }: Cost): boolean {
  return bytes <= SMALL.bytes && pixels <= SMALL.pixels;
}

function rulesOf({ maxPixels, maxSidePx }: MediaLimits, admitted: Cost): WorkRules {
  return { admitted, maxPixels, maxSidePx, maxMaskEdges: FIELD_LIMITS.edgesPerMask.value };
}

function checkSize({ width, height }: Header, { maxPixels, maxSidePx }: MediaLimits): void {
  if (width * height <= maxPixels && Math.max(width, height) <= maxSidePx) return;
  throw new PictureError("too_large", `the picture is ${width}×${height}`);
}

function isFailureOf(error: unknown): error is PictureProcessEnded {
  return error instanceof PictureProcessEnded && error.cause !== "closed";
}

async function headOf({ head, parts }: PictureSource): Promise<Uint8Array> {
  if (head) return head.subarray(0, HEAD_BYTES);
  for await (const part of parts()) return part.subarray(0, HEAD_BYTES);
  return new Uint8Array();
}

async function resultOf<W extends Work>(running: Promise<Outcome<W>>): Promise<ResultOf<W>> {
  const outcome = await running.catch((error) => {
    if (!isFailureOf(error)) throw error;
    throw new PictureError("exhausted", error.message, { cause: error });
  });
  if (outcome.kind === "done") return outcome.result;
  if (outcome.kind === "failed") throw new PictureError(outcome.failure, outcome.message);
  // The file has grown since its header was read.
  throw new PictureError("damaged", "the picture needs more memory than its header announced");
}
