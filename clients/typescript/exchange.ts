/** Requests and what answers them: gives each an id, finds its receiver again, and holds the server back when needed. */
import type {
  AnsweredType,
  AnswerOf,
  EventMessage,
  RequestInputOf,
  ServerMessage,
} from "../../protocol/index.js";
import { MaskletError } from "./errors.js";
import { createFrameQueue, type FrameQueue } from "./frame-queue.js";
import type { Wire } from "./wire.js";

export interface Exchange {
  /** Resolves to the answer's fields. */
  ask<T extends AnsweredType>(request: RequestInputOf<T>): Promise<AnswerOf<T>>;
  /** Sends at once; frames wait in the queue. */
  stream(request: RequestInputOf<"propagate_in_video">): FrameQueue;
  onText(text: string): void;
  /** Fails everything that waits, and every request from now on. */
  lose(error: MaskletError): void;
}

export interface ExchangeParts {
  wire: Wire;
  /** From this many waiting frames on, the socket is not read from. */
  maxQueuedFrames: number;
  onEvent(event: EventMessage): void;
}

interface Waiting {
  resolve(fields: never): void;
  reject(error: MaskletError): void;
}

export function createExchange({ wire, maxQueuedFrames, onEvent }: ExchangeParts): Exchange {
  const answers = new Map<string, Waiting>();
  const streams = new Map<string, FrameQueue>();
  /** Queues of ended streams stay until they are read: their frames take room as well. */
  const queues = new Set<FrameQueue>();
  let lost: MaskletError | undefined;
  let lastId = 0;
  let isPaused = false;

  /**
   * One socket carries everything, so that a full queue can hold it back only while nobody waits for something else:
   * an answer, or a frame of another stream.
   */
  function holdBackIfFull(): void {
    for (const queue of queues) if (queue.isSpent) queues.delete(queue);
    const waiting = [...queues];
    const isFull = waiting.some((queue) => queue.length >= maxQueuedFrames);
    const shouldPause = isFull && answers.size === 0 && !waiting.some((queue) => queue.isAwaited);
    if (shouldPause === isPaused || lost) return;
    isPaused = shouldPause;
    if (shouldPause) wire.pause();
    else wire.resume();
  }

  function send(request: object): string {
    if (lost) throw lost;
    const requestId = String(++lastId);
    wire.send(JSON.stringify({ ...request, request_id: requestId }));
    return requestId;
  }

  function receive(message: ServerMessage): void {
    if (message.type === "event") {
      onEvent(message);
      return;
    }
    const requestId = message.request_id ?? "";
    const answer = answers.get(requestId);
    const stream = streams.get(requestId);
    switch (message.type) {
      case "frame":
        stream?.push(message);
        break;
      case "done":
        streams.delete(requestId);
        stream?.end(message);
        break;
      case "response": {
        answers.delete(requestId);
        const { type, request_id, ...fields } = message;
        answer?.resolve(fields as never);
        break;
      }
      case "error": {
        answers.delete(requestId);
        streams.delete(requestId);
        const error = new MaskletError(message.error);
        answer?.reject(error);
        stream?.fail(error);
        break;
      }
    }
  }

  function lose(error: MaskletError): void {
    lost ??= error;
    for (const answer of answers.values()) answer.reject(error);
    for (const stream of streams.values()) stream.fail(error);
    answers.clear();
    streams.clear();
  }

  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        answers.set(send(request), { resolve, reject });
        holdBackIfFull();
      }),
    stream(request) {
      const queue = createFrameQueue(holdBackIfFull);
      streams.set(send(request), queue);
      queues.add(queue);
      return queue;
    },
    onText(text) {
      let message: ServerMessage;
      try {
        message = JSON.parse(text);
      } catch (cause) {
        // No masklet server. Waiting for the answers would be in vain.
        lose(
          new MaskletError(
            { code: "connection_lost", message: "the server sent no JSON", retryable: false },
            { cause },
          ),
        );
        wire.close();
        return;
      }
      receive(message);
      holdBackIfFull();
    },
    lose,
  };
}
