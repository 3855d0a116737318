/**
 * What each owner holds of the server's resources. The rows, their limits and the attacks that they stop are in
 * `protocol/shares.ts`.
 */
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import { ERRORS, ProtocolError, SHARES, type Share, type ShareName } from "../../protocol/index.js";
import { type Clock, systemClock } from "../clock.js";
import type { ServerConfig } from "../config.js";
import { createMetrics, type Metrics } from "../metrics.js";
import type { OwnerId } from "../session-owner.js";
import { type HolderId, holderOf } from "./holder.js";
import { nextWaiter, PASSED_AT_MOST_MS, type Usage, type Waiter } from "./waiting-line.js";

/** A part of a share that is in use until it is released. */
export interface Lease {
  readonly amount: number;
  /** @throws ProtocolError as {@link Shares.take}; then the amount stays as it was. */
  add(amount: number): void;
  subtract(amount: number): void;
  /** Gives everything back. Further calls have no effect. */
  release(): void;
}

export interface WaitOptions {
  /** Default 1. More than a limit waits until it can have the whole limit. */
  amount?: number;
  signal?: AbortSignal;
  /** Default {@link DEFAULT_WAIT_MS}. */
  maxWaitMs?: number;
  /** Before requests that are not urgent, whatever their owners hold. For work that a person waits for. */
  urgent?: boolean;
}

export interface ShareUse {
  name: ShareName;
  unit: string;
  used: number;
  limit: number;
}

export interface Shares {
  /**
   * @throws ProtocolError with the code of the row, the exceeded setting as `limit`, and `retry_after_ms` when the code is
   * retryable.
   */
  take(name: ShareName, owner: OwnerId, amount?: number): Lease;
  /** How much `take` would give now. */
  room(name: ShareName, owner: OwnerId): number;
  /** Waits for a place. Rejects as `take` after `maxWaitMs` or when too many wait, or with the reason of the signal. */
  wait(name: ShareName, owner: OwnerId, options?: WaitOptions): Promise<Lease>;
  /** Counts one request. Rejects with `rate_limit` when the owner or the server has reached its number for this minute. */
  countRequest(owner: OwnerId): Promise<void>;
  /** The part that the owner has of a resource for which several wait, relative to the others. */
  weightOf(owner: OwnerId): number;
  /** What the owner holds, and its limits. */
  use(owner: OwnerId): Promise<ShareUse[]>;
  /** What all owners hold together. */
  total(): Promise<ShareUse[]>;
}

export type ShareLimits = Pick<ServerConfig, (typeof SHARES)[ShareName]["perOwner" | "inAll"]>;

export interface SharesParts {
  limits: ShareLimits;
  clock?: Clock;
  metrics?: Pick<Metrics, "time">;
  /** A waiting owner of weight 2 is served as often as two owners of weight 1. Default 1 for all. */
  weightOf?: (owner: OwnerId) => number;
}

export const DEFAULT_WAIT_MS = 15_000;

/** Requests of one holder that may wait for the same share. Each keeps a socket and its request in memory. */
const MAX_WAITING_PER_HOLDER = 256;

const MINUTE_S = 60;

interface Waiting extends Waiter {
  serve(): void;
}

/** One row at work. */
interface Pool extends Usage {
  change(holder: HolderId, by: number): void;
  readonly waiting: Set<Waiting>;
}

export function createShares(parts: SharesParts): Shares {
  const { limits, clock = systemClock, metrics = createMetrics(), weightOf = () => 1 } = parts;
  const names = Object.keys(SHARES) as ShareName[];
  const rowOf = (name: ShareName): Share => SHARES[name];
  const pools = Object.fromEntries(
    names.map((name) => [name, createPool(limits[SHARES[name].perOwner], limits[SHARES[name].inAll])]),
  ) as Record<ShareName, Pool>;
  const requests = {
    perOwner: rateLimiter(limits.maxRequestsPerMinutePerOwner),
    inAll: rateLimiter(limits.maxRequestsPerMinute),
  };

  function refusal(name: ShareName, owner: OwnerId, amount: number): ProtocolError | undefined {
    const pool = pools[name];
    const held = pool.heldBy(holderOf(owner));
    if (held + amount > pool.maxPerHolder) return exceeded(name, "perOwner", held, amount);
    if (pool.total + amount > pool.maxTotal) return exceeded(name, "inAll", pool.total, amount);
    return undefined;
  }

  function exceeded(
    name: ShareName,
    scope: "perOwner" | "inAll",
    used: number,
    amount: number,
  ): ProtocolError {
    const row = rowOf(name);
    const setting = row[scope];
    const holder = scope === "perOwner" ? "This client uses" : "All clients together use";
    const more = amount > 1 ? ` and this request needs ${amount} more` : "";
    const message = `${holder} ${used} of ${limits[setting as keyof ShareLimits]} ${row.unit} (${setting})${more}.`;
    return shareError(row, setting, message);
  }

  /** Serves those that fit, after something was given back. */
  function serveWaiting(name: ShareName): void {
    const pool = pools[name];
    while (pool.waiting.size > 0) {
      const next = nextWaiter([...pool.waiting], pool, clock.nowMs());
      if (!next) return;
      pool.waiting.delete(next);
      next.serve();
    }
  }

  function lease(name: ShareName, owner: OwnerId, first: number): Lease {
    const holder = holderOf(owner);
    const pool = pools[name];
    let amount = first;
    let isReleased = false;
    pool.change(holder, first);
    const giveBack = (part: number) => {
      amount -= part;
      pool.change(holder, -part);
      serveWaiting(name);
    };
    return {
      get amount() {
        return amount;
      },
      add(more) {
        if (isReleased) return;
        const error = refusal(name, owner, more);
        if (error) throw error;
        amount += more;
        pool.change(holder, more);
      },
      subtract(less) {
        if (!isReleased) giveBack(Math.min(less, amount));
      },
      release() {
        if (isReleased) return;
        isReleased = true;
        giveBack(amount);
      },
    };
  }

  function take(name: ShareName, owner: OwnerId, amount = 1): Lease {
    const error = refusal(name, owner, amount);
    if (error) throw error;
    return lease(name, owner, amount);
  }

  async function wait(
    name: ShareName,
    owner: OwnerId,
    { amount = 1, signal, maxWaitMs = DEFAULT_WAIT_MS, urgent = false }: WaitOptions = {},
  ): Promise<Lease> {
    signal?.throwIfAborted();
    const pool = pools[name];
    const holder = holderOf(owner);
    const wanted = Math.min(amount, pool.maxPerHolder, pool.maxTotal);
    const ahead = [...pool.waiting].filter((other) => other.holder === holder).length;
    if (ahead >= MAX_WAITING_PER_HOLDER) {
      const row = rowOf(name);
      const message = `${ahead} requests of this client wait for ${row.unit} already (${row.perOwner}).`;
      throw shareError(row, row.perOwner, message);
    }
    return new Promise((resolve, reject) => {
      const end = () => {
        pool.waiting.delete(waiting);
        stopWaiting();
        stopPassing();
        signal?.removeEventListener("abort", abort);
      };
      const abort = () => {
        end();
        reject(signal?.reason);
        // Others may have waited behind this one.
        serveWaiting(name);
      };
      const waiting: Waiting = {
        holder,
        weight: weightOf(owner),
        amount: wanted,
        isUrgent: urgent,
        sinceMs: clock.nowMs(),
        serve() {
          end();
          resolve(lease(name, owner, wanted));
        },
      };
      const stopWaiting = clock.after(maxWaitMs, () => {
        end();
        const used = pool.heldBy(holder);
        const isOwn = used + wanted > pool.maxPerHolder;
        reject(exceeded(name, isOwn ? "perOwner" : "inAll", isOwn ? used : pool.total, wanted));
        serveWaiting(name);
      });
      const stopPassing = clock.after(PASSED_AT_MOST_MS, () => serveWaiting(name));
      signal?.addEventListener("abort", abort, { once: true });
      pool.waiting.add(waiting);
      serveWaiting(name);
    });
  }

  async function countIn(scope: "perOwner" | "inAll", key: string): Promise<void> {
    try {
      await requests[scope].consume(key);
    } catch (cause) {
      if (cause instanceof Error) throw cause;
      const row = SHARES.requests;
      const message = `More than ${requests[scope].points} requests in a minute (${row[scope]}).`;
      throw shareError(row, row[scope], message, (cause as RateLimiterRes).msBeforeNext);
    }
  }

  /** Held parts of every row; for requests, those of the current minute. */
  async function describe(scope: "perOwner" | "inAll", holder: HolderId): Promise<ShareUse[]> {
    const counted = await requests[scope].get(scope === "inAll" ? EVERYONE : holder);
    return names.map((name) => {
      const pool = pools[name];
      const held = scope === "inAll" ? pool.total : pool.heldBy(holder);
      const { unit } = rowOf(name);
      const limit = scope === "inAll" ? pool.maxTotal : pool.maxPerHolder;
      return { name, unit, used: name === "requests" ? (counted?.consumedPoints ?? 0) : held, limit };
    });
  }

  return {
    take,
    room(name, owner) {
      const { maxPerHolder, maxTotal, total, heldBy } = pools[name];
      return Math.max(0, Math.min(maxPerHolder - heldBy(holderOf(owner)), maxTotal - total));
    },
    wait: (name, ...request) =>
      metrics.time("masklet_wait_seconds", { share: name }, () => wait(name, ...request)),
    async countRequest(owner) {
      await countIn("perOwner", holderOf(owner));
      await countIn("inAll", EVERYONE);
    },
    weightOf,
    use: (owner) => describe("perOwner", holderOf(owner)),
    total: () => describe("inAll", EVERYONE),
  };
}

/** The key under which the requests of all owners are counted. */
const EVERYONE = "everyone";

function rateLimiter(points: number): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: MINUTE_S });
}

function shareError(
  row: Share,
  limit: string,
  message: string,
  retryAfterMs = row.retryAfterMs,
): ProtocolError {
  const isRetryable = ERRORS[row.code].retryable;
  return new ProtocolError(row.code, message, undefined, { limit, ...(isRetryable && { retryAfterMs }) });
}

function createPool(maxPerHolder: number, maxTotal: number): Pool {
  const byHolder = new Map<HolderId, number>();
  let total = 0;
  return {
    maxPerHolder,
    maxTotal,
    waiting: new Set(),
    heldBy: (holder) => byHolder.get(holder) ?? 0,
    get total() {
      return total;
    },
    change(holder, by) {
      const held = (byHolder.get(holder) ?? 0) + by;
      // Nothing remains of an owner that holds nothing.
      if (held === 0) byHolder.delete(holder);
      else byHolder.set(holder, held);
      total += by;
    },
  };
}
