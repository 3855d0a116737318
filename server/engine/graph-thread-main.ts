/** Entry of a thread that opens one graph and runs it on request. */
import { parentPort } from "node:worker_threads";
import type { ThreadCall, ThreadMessage, ThreadOpen, ThreadRequest } from "./graph-thread.js";
import { loadRuntime, type OpenGraph, openGraph } from "./onnx.js";

const port = parentPort;
if (!port) throw new Error("This is the entry of a thread; it does nothing on its own.");

const send = (message: ThreadMessage, handedOver: ArrayBuffer[] = []) =>
  port.postMessage(message, handedOver);
let opened: OpenGraph | undefined;
// Before it is needed. `openGraph` reports a failure.
loadRuntime().catch(() => {});

let queue = Promise.resolve();
port.on("message", (request: ThreadRequest) => {
  queue = queue.then(() => (request.kind === "open" ? open(request) : answer(request)));
});

async function open({ graph, providers, threads, tried }: ThreadOpen): Promise<void> {
  const warn = (message: string) => send({ kind: "warning", message });
  try {
    opened = await openGraph(graph, { providers, threads, warn }, tried);
    const { provider, inputs, outputs } = opened;
    send({ kind: "opened", info: { inputs, outputs }, provider, tried });
  } catch (error) {
    send({ kind: "failed", message: (error as Error).message });
  }
}

async function answer({ id, inputs, fetch }: ThreadCall): Promise<void> {
  try {
    if (!opened) throw new Error("The graph is not open.");
    const run = await opened.run(inputs, fetch);
    const buffers = Object.values(run.outputs).map(({ data }) => data.buffer as ArrayBuffer);
    send({ kind: "answer", id, run }, buffers);
  } catch (error) {
    send({ kind: "failure", id, message: (error as Error).message });
  }
}
