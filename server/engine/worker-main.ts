/**
 * Entry of the inference process. Requests are answered one after the other in the order in which they came; while a
 * graph runs, this thread does nothing else and the main process stays free to talk. Only frames to come are looked at
 * out of turn: encoding them in the meantime is what they are sent ahead for.
 */

import { ProtocolError } from "../../protocol/errors.js";
import { PromptError } from "../../tracker/prompts.js";
import { PhraseError } from "../packs/tokenizer.js";
import type { RpcFailure, RpcMessage, RpcRequest } from "./rpc.js";
import { createService } from "./service.js";

const send = (message: RpcMessage) => void process.send?.(message, undefined, undefined, () => {});

// Whoever asked is gone, and nothing here outlives a request: no clean-up that could hang.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// A terminal's Ctrl-C reaches every process of the group; the main process decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const service = createService((level, message) => send({ log: { level, message } }));
let queue = Promise.resolve();
process.on("message", (request: RpcRequest) => {
  if (request.method === "prepare") void answer(request);
  else queue = queue.then(() => answer(request));
});

async function answer({ id, method, params }: RpcRequest): Promise<void> {
  try {
    const result = await service[method](params as never);
    send({ id, result, costs: service.costs() });
  } catch (error) {
    const failure = describeFailure(error);
    // A pack that cannot be loaded is reported by whoever asked for it; the rest is known only here.
    // What a frame to come meets is reported by its step.
    if (
      method !== "load" &&
      method !== "prepare" &&
      (failure.code === "internal" || failure.code === "engine_failed")
    ) {
      send({ log: { level: "warn", message: `${method} failed: ${(error as Error).stack ?? error}` } });
    }
    send({ id, error: failure, costs: service.costs() });
  }
}

function describeFailure(error: unknown): RpcFailure {
  const { message } = error as Error;
  if (error instanceof PhraseError) return { code: "invalid_field", message, field: "text" };
  if (!(error instanceof ProtocolError || error instanceof PromptError)) return { code: "internal", message };
  const { code, field } = error;
  return field === undefined ? { code, message } : { code, message, field };
}
