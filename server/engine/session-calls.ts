/**
 * The order of one session's calls. One call is in progress at a time and the others wait their turn, except pushed frames:
 * they are sent at once, unless {@link MAX_PUSHED_FRAMES} wait for their step.
 */
import type { ProtocolError } from "../../protocol/errors.js";
import { createSerial } from "../serial.js";
import { EngineError } from "./engine.js";
import { type CallVerb, MAX_PUSHED_FRAMES, SESSION_VERBS, type VerbParams } from "./verbs.js";

export interface SessionCalls {
  call: CallVerb;
  /** True while a call or a task has no result yet. */
  readonly isAwaited: boolean;
  /** Runs a task in turn with the calls. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** From now on calls reject with `reason`, also those that wait; the call in progress goes on. */
  refuse(reason: ProtocolError): void;
}

interface WaitingPush {
  frameIndex: number;
  enter: () => void;
  refuse: (reason: Error) => void;
}

/**
 * @param deliver carries out one call
 * @param hurry called when an urgent call waits for another one
 */
export function orderCalls(deliver: CallVerb, hurry: () => void = () => {}): SessionCalls {
  const turns = createSerial();
  /** Calls and tasks that wait or are in progress. */
  let unanswered = 0;
  /** Indices of the frames pushed and not yet stepped, oldest first. */
  let pushed: number[] = [];
  let waiting: WaitingPush[] = [];
  let refusal: ProtocolError | undefined;

  function admit(): void {
    while (pushed.length < MAX_PUSHED_FRAMES) {
      const next = waiting.shift();
      if (!next) return;
      pushed.push(next.frameIndex);
      next.enter();
    }
  }

  function refuseWaiting(reasonOf: (frameIndex: number) => Error): void {
    for (const { frameIndex, refuse } of waiting) refuse(reasonOf(frameIndex));
    waiting = [];
  }

  async function push(params: VerbParams<"push">): Promise<undefined> {
    const { index } = params.frame;
    await new Promise<void>((enter, refuse) => {
      waiting.push({ frameIndex: index, enter, refuse });
      admit();
    });
    const mine = pushed;
    try {
      return await deliver("push", params);
    } catch (error) {
      const at = mine.indexOf(index);
      if (at >= 0) mine.splice(at, 1);
      admit();
      throw error;
    }
  }

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    unanswered += 1;
    const result = turns.run(async () => {
      if (refusal) throw refusal;
      return task();
    });
    return result.finally(() => {
      unanswered -= 1;
    });
  }

  return {
    inTurn,
    get isAwaited() {
      return unanswered > 0;
    },
    call: (async (verb, params, signal) => {
      if (refusal) throw refusal;
      const { pushedFrames, isUrgent } = SESSION_VERBS[verb];
      if (pushedFrames === "add") return push(params as VerbParams<"push">);
      if (isUrgent && unanswered > 0) hurry();
      return inTurn(async () => {
        signal?.throwIfAborted();
        const result = await deliver(verb, params, signal);
        if (pushedFrames === "take") pushed.shift();
        if (pushedFrames === "clear") {
          pushed = [];
          refuseWaiting(
            (index) => new EngineError("internal", `Frame ${index} is of a pass that has ended.`),
          );
        }
        admit();
        return result;
      });
    }) as CallVerb,
    refuse(reason) {
      refusal ??= reason;
      refuseWaiting(() => reason);
    },
  };
}
