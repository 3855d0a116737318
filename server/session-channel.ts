/**
 * The results of one session on their way to the connections that use it.
 *
 * Every message of the session gets the next number and is put into the log once, in the form in which it is sent. Each
 * connection is an attachment: a cursor on the log. At most one attachment controls the session; the others watch.
 *
 * Backpressure: a producer of frames awaits `ready` after each of them. With a controller that means until the controller's
 * connection keeps up, so that a slow reader slows the model. Without one it means until the log has room: a propagation
 * continues while its client is away, loses nothing, and waits when the log is full. Watchers slow nothing; one that is too
 * slow skips results.
 *
 * What the log keeps: while there is a controller, results that were sent to it are dropped as soon as the log is half full.
 * The newest half stays, because what was handed to a socket can be lost with it. The other half is the room for results that
 * are made while there is no controller; then nothing is dropped.
 */
import { ProtocolError } from "../protocol/index.js";
import { type AckedStreams, createAckedStreams } from "./acked-streams.js";
import { type Attachment, createAttachment } from "./attachment.js";
import { createSessionLog, type Result, type ResultFields } from "./session-log.js";
import type { Transport } from "./transport.js";

/**
 * Why an attachment ended: another connection took over the control, the session was closed by another caller, or the
 * session ended in a way that its results report already.
 */
export type DetachReason = "taken_over" | "closed" | "ended";

export interface AttachOptions {
  transport: Transport;
  isWatcher: boolean;
  /** Results after this number are sent. */
  afterSeq: number;
  /** Called once, unless `detach` is called before: no further result is sent. */
  onEnd(reason: DetachReason): void;
}

export interface SessionChannel {
  /** Adds a message to the results and sends it to all attachments. Nothing is kept before the first attachment. */
  publish(type: Result["type"], requestId: string | undefined, fields: ResultFields): void;
  /** Resolves when more frames may be made, or when the session has ended. */
  ready(): Promise<void>;
  /** True while a producer waits for `ready`. */
  readonly isHoldingBack: boolean;
  readonly lastSeq: number;
  /** How many results after this number the log no longer has. */
  lostAfter(seq: number): number;
  /** A controller takes over from the present one. */
  attach(options: AttachOptions): Attachment;
  detach(attachment: Attachment): void;
  readonly attachments: number;
  /** Request ids that are not answered yet. */
  readonly pending: readonly string[];
  /**
   * Registers a request until the returned function is called.
   * @throws ProtocolError invalid_field while a request with this id is not answered.
   */
  begin(requestId: string): () => void;
  /** The running streams with a window. */
  readonly acked: AckedStreams;
  /**
   * The session has ended. The attachments end once all requests are answered and their results are sent.
   * @param closer the attachment whose connection closed the session, and which gets an answer; null when the results report
   * the end; undefined when another caller closed the session.
   */
  end(closer: Attachment | null | undefined): void;
}

export interface SessionChannelParts {
  sessionId: string;
  maxLogBytes: number;
  /** Called whenever `attachments` has become smaller. */
  onDetach(): void;
}

export function createSessionChannel({
  sessionId,
  maxLogBytes,
  onDetach,
}: SessionChannelParts): SessionChannel {
  const log = createSessionLog(sessionId);
  const attachments = new Map<Attachment, AttachOptions>();
  const pending = new Set<string>();
  const acked = createAckedStreams();
  let controller: Attachment | undefined;
  let wasAttached = false;
  let holding = 0;
  let ending: { closer: Attachment | null | undefined } | undefined;
  let changed: { promise: Promise<void>; resolve(): void } | undefined;

  /** Lets producers check again whether they may continue. */
  function reconsider(): void {
    changed?.resolve();
    changed = undefined;
  }

  function nextChange(): Promise<void> {
    if (!changed) {
      let resolve = () => {};
      const promise = new Promise<void>((go) => {
        resolve = go;
      });
      changed = { promise, resolve };
    }
    return changed.promise;
  }

  function mayProduce(): boolean {
    return ending !== undefined || (controller ? controller.isCaughtUp : log.bytes < maxLogBytes);
  }

  function trim(): void {
    if (controller && log.bytes > maxLogBytes / 2) log.trim(controller.cursor, maxLogBytes / 2);
  }

  function remove(attachment: Attachment): AttachOptions | undefined {
    const options = attachments.get(attachment);
    if (!attachments.delete(attachment)) return undefined;
    if (controller === attachment) controller = undefined;
    attachment.detach();
    reconsider();
    onDetach();
    return options;
  }

  /** After the end, an attachment ends when it has received the last result. */
  function finish(attachment: Attachment): void {
    if (!ending || pending.size > 0 || !attachment.isCaughtUp || attachment.cursor < log.lastSeq) return;
    const reason = ending.closer === null || ending.closer === attachment ? "ended" : "closed";
    remove(attachment)?.onEnd(reason);
  }

  function finishAll(): void {
    for (const attachment of [...attachments.keys()]) finish(attachment);
  }

  return {
    publish(type, requestId, fields) {
      if (!wasAttached) return;
      log.append(type, requestId, fields);
      for (const attachment of attachments.keys()) attachment.wake();
      trim();
    },
    async ready() {
      if (mayProduce()) return;
      holding++;
      try {
        while (!mayProduce()) await nextChange();
      } finally {
        holding--;
      }
    },
    get isHoldingBack() {
      return holding > 0;
    },
    get lastSeq() {
      return log.lastSeq;
    },
    lostAfter: (seq) => Math.max(0, log.firstSeq - 1 - seq),
    attach(options) {
      const { transport, isWatcher, afterSeq } = options;
      wasAttached = true;
      if (controller && !isWatcher) remove(controller)?.onEnd("taken_over");
      const attachment = createAttachment({
        log,
        transport,
        isWatcher,
        afterSeq: isWatcher ? afterSeq : Math.max(afterSeq, log.firstSeq - 1),
        skipped: (first_seq, last_seq) =>
          JSON.stringify({
            type: "event",
            event: "results_skipped",
            session_id: sessionId,
            first_seq,
            last_seq,
          }),
        onCaughtUp() {
          if (attachment === controller) reconsider();
          finish(attachment);
        },
      });
      attachments.set(attachment, options);
      if (!isWatcher) controller = attachment;
      attachment.wake();
      reconsider();
      return attachment;
    },
    detach: (attachment) => void remove(attachment),
    get attachments() {
      return attachments.size;
    },
    get pending() {
      return [...pending];
    },
    begin(requestId) {
      if (pending.has(requestId)) {
        const message = `request_id: expected a new one, got "${requestId}", which a request without an answer has`;
        throw new ProtocolError("invalid_field", message, "request_id");
      }
      pending.add(requestId);
      return () => {
        pending.delete(requestId);
        if (ending) finishAll();
      };
    },
    acked,
    end(closer) {
      ending = { closer };
      reconsider();
      finishAll();
    },
  };
}
