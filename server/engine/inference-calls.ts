/**
 * The calls of the inference process. Calls of different sessions are carried out at the same time and interleave at their turns,
 * see `turns.ts`. A graph blocks this thread while it runs; the main process stays responsive.
 */
import { deserialize, serialize } from "node:v8";
import { ProtocolError } from "../../protocol/errors.js";
import { PromptError } from "../../tracker/prompts.js";
import { PhraseError } from "../packs/tokenizer.js";
import type { OutgoingMessage } from "./channel.js";
import { EngineError } from "./engine.js";
import { startEngineThread } from "./entry-point.js";
import { createIdleCollection } from "./idle-collection.js";
import type { IpcFailure, IpcNotice, IpcReply, IpcRequest, ProcessNotice, TimedSnapshot } from "./ipc.js";
import { createSessionHost } from "./session-host.js";

/** At once: these messages must not be lost when the process ends in the next graph. */
const notify = (notice: ProcessNotice) => void process.send?.(notice, undefined, undefined, () => {});

// An error in the thread ends the process, and the supervisor replaces it.
const channel = startEngineThread("channel-thread-main");

const post = (message: OutgoingMessage, { buffer }: Uint8Array) =>
  channel.postMessage(message, [buffer as ArrayBuffer]);

function send(reply: IpcReply): void {
  const bytes = serialize(reply);
  post(bytes, bytes);
}

function sendSnapshot(id: number, { bytes, ms }: TimedSnapshot): void {
  send({ id, result: { ms }, costs: host.costs(), ...(bytes && { snapshotBytes: bytes.length }) });
  if (bytes) post({ snapshotOf: id, bytes }, bytes);
}

// The main process is gone. Nothing here outlives it, and a clean-up could hang.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// A terminal's Ctrl-C reaches every process of the group; the main process decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const host = createSessionHost(
  (level, message) => notify({ log: { level, message } }),
  (turns) => notify({ turns }),
);
/** The calls that are carried out, by their ids. */
const calls = new Map<number, AbortController>();
channel.on("message", (bytes: Uint8Array) => {
  const message = deserialize(bytes) as IpcRequest | IpcNotice;
  if ("hurry" in message) return host.hurry(message.hurry);
  if ("cancel" in message)
    calls.get(message.cancel)?.abort(new EngineError("internal", "The call was cancelled."));
  else void answer(message);
});

const idle = createIdleCollection();
/** Calls that drop the state of a session. */
const FREEING: ReadonlySet<IpcRequest["verb"]> = new Set<IpcRequest["verb"]>(["close", "reset"]);

async function answer({ id, session, verb, params }: IpcRequest): Promise<void> {
  const call = new AbortController();
  calls.set(id, call);
  // Pings arrive in an idle process.
  if (verb !== "ping") idle.begin();
  try {
    const result = await (session === null
      ? host.processHandlers[verb](params as never)
      : host.call(session, verb, params as never, call.signal));
    if (verb === "snapshot") sendSnapshot(id, result as TimedSnapshot);
    else send({ id, result, costs: host.costs() });
  } catch (error) {
    const failure = describeFailure(error);
    // The caller of `load` reports its failure with more context. The stack of other faults exists only here.
    const isExpected = verb === "load" || call.signal.aborted;
    if (!isExpected && (failure.code === "internal" || failure.code === "engine_failed")) {
      notify({ log: { level: "warn", message: `${verb} failed: ${(error as Error).stack ?? error}` } });
    }
    send({ id, error: failure, costs: host.costs() });
  } finally {
    calls.delete(id);
    if (verb !== "ping") idle.end(FREEING.has(verb));
  }
}

function describeFailure(error: unknown): IpcFailure {
  const { message } = error as Error;
  if (error instanceof PhraseError) return { code: "invalid_field", message, field: "text" };
  if (!(error instanceof ProtocolError || error instanceof PromptError)) return { code: "internal", message };
  const { code, field } = error;
  return field === undefined ? { code, message } : { code, message, field };
}
