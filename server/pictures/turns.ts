/** Places for work, given to owners by turns. */
import { ProtocolError } from "../../protocol/errors.js";
import type { Clock } from "../clock.js";
import type { OwnerId } from "../session-owner.js";
import { type HolderId, holderOf } from "../shares/holder.js";

export interface Turns {
  /**
   * Waits for a place and returns the function that gives it back. Owners that wait are served one after the other; requests
   * of one owner in the order in which they came.
   *
   * @throws ProtocolError server_busy after `maxWaitMs` or when too many requests of the owner wait; the reason of the signal
   */
  take(owner: OwnerId, signal?: AbortSignal): Promise<() => void>;
  readonly waiting: number;
}

export interface TurnsOptions {
  places: number;
  maxWaitMs: number;
  /** Requests of one owner that may wait. */
  maxWaiting: number;
  clock: Clock;
}

interface Waiter {
  serve(): void;
}

export function createTurns({ places, maxWaitMs, maxWaiting, clock }: TurnsOptions): Turns {
  /** By owner, the one that is served next at the beginning. */
  const queues = new Map<HolderId, Waiter[]>();
  let free = places;

  function giveBack(): void {
    free++;
    const [first] = queues;
    if (!first) return;
    const [holder, queue] = first;
    const next = queue.shift();
    queues.delete(holder);
    // The owner's next request waits until each other owner had its turn.
    if (queue.length > 0) queues.set(holder, queue);
    next?.serve();
  }

  function place(): () => void {
    free--;
    let isHeld = true;
    return () => {
      if (isHeld) giveBack();
      isHeld = false;
    };
  }

  function remove(holder: HolderId, waiter: Waiter): void {
    const rest = (queues.get(holder) ?? []).filter((other) => other !== waiter);
    if (rest.length > 0) queues.set(holder, rest);
    else queues.delete(holder);
  }

  return {
    async take(owner, signal) {
      signal?.throwIfAborted();
      if (free > 0) return place();
      const holder = holderOf(owner);
      const queue = queues.get(holder) ?? [];
      if (queue.length >= maxWaiting) throw busy(`${queue.length} pictures of this client wait already`);
      return new Promise((resolve, reject) => {
        const leave = () => {
          stopWaiting();
          signal?.removeEventListener("abort", abort);
        };
        const waiter: Waiter = {
          serve() {
            leave();
            resolve(place());
          },
        };
        const giveUp = (error: unknown) => {
          remove(holder, waiter);
          leave();
          reject(error);
        };
        const abort = () => giveUp(signal?.reason);
        const stopWaiting = clock.after(maxWaitMs, () =>
          giveUp(busy(`the picture has waited ${maxWaitMs} ms for its turn`)),
        );
        signal?.addEventListener("abort", abort, { once: true });
        queue.push(waiter);
        queues.set(holder, queue);
      });
    },
    get waiting() {
      return [...queues.values()].reduce((sum, queue) => sum + queue.length, 0);
    },
  };
}

const RETRY_AFTER_MS = 2000;

function busy(what: string): ProtocolError {
  const message = `The server decodes other pictures: ${what}. Try again later.`;
  return new ProtocolError("server_busy", message, undefined, {
    limit: "maxPictureBytes",
    retryAfterMs: RETRY_AFTER_MS,
  });
}
