/** Requests and their answers: gives each request an id, and delivers what comes back under that id. */
import type {
  AckMessage,
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
  /** Sends at once. Frames wait in the queue, at most as many as the window has. */
  stream(request: RequestInputOf<"propagate_in_video">): FrameQueue;
  onText(text: string): void;
  onBytes(): void;
  /** Fails everything that waits, and every request from now on. */
  lose(error: MaskletError): void;
}

export interface ExchangeParts {
  wire: Wire;
  /** The `window` of streams whose request has none. */
  defaultWindow: number;
  onEvent(event: EventMessage): void;
}

interface Waiting {
  resolve(fields: never): void;
  reject(error: MaskletError): void;
}

export function createExchange({ wire, defaultWindow, onEvent }: ExchangeParts): Exchange {
  const answers = new Map<string, Waiting>();
  const streams = new Map<string, FrameQueue>();
  let lost: MaskletError | undefined;
  let lastId = 0;

  function send(request: object): string {
    if (lost) throw lost;
    const requestId = String(++lastId);
    wire.send(JSON.stringify({ ...request, request_id: requestId }));
    return requestId;
  }

  function acknowledge(request_id: string, num_frames: number): void {
    wire.send(JSON.stringify({ type: "ack", request_id, num_frames } satisfies AckMessage));
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

  /** The peer is not a masklet server of this version: no answer can be expected. */
  function giveUp(message: string, options?: ErrorOptions): void {
    lose(new MaskletError({ code: "connection_lost", message, retryable: false }, options));
    wire.close();
  }

  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        answers.set(send(request), { resolve, reject });
      }),
    stream(request) {
      const window = request.window ?? defaultWindow;
      if (!Number.isInteger(window) || window < 1) {
        throw new RangeError(`window: expected an integer from 1, got ${window}`);
      }
      const requestId = send({ ...request, window });
      const queue = createFrameQueue({
        window,
        acknowledge: (numFrames) => acknowledge(requestId, numFrames),
      });
      streams.set(requestId, queue);
      return queue;
    },
    onText(text) {
      let message: ServerMessage;
      try {
        message = JSON.parse(text);
      } catch (cause) {
        giveUp("the server sent text that is not JSON", { cause });
        return;
      }
      receive(message);
    },
    onBytes: () => giveUp("the server sent a binary message, which this version of the client cannot read"),
    lose,
  };
}
