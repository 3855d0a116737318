/** Entry of a thread that opens one graph and runs it on request. */
import { parentPort, workerData } from "node:worker_threads";
import type { ThreadCall, ThreadMessage, ThreadStart } from "./graph-thread.js";
import { type OpenGraph, openGraph } from "./onnx.js";

const port = parentPort;
if (!port) throw new Error("This is the entry of a thread; it does nothing on its own.");

const send = (message: ThreadMessage, handedOver: ArrayBuffer[] = []) =>
  port.postMessage(message, handedOver);
const { graph, providers, threads, tried } = workerData as ThreadStart;

try {
  const opened = await openGraph(
    graph,
    { providers, threads, warn: (message) => send({ kind: "warning", message }) },
    tried,
  );
  const { provider, inputs, outputs } = opened;
  serve(opened);
  send({ kind: "opened", info: { inputs, outputs }, provider, tried });
} catch (error) {
  send({ kind: "failed", message: (error as Error).message });
}

function serve(opened: OpenGraph): void {
  let queue = Promise.resolve();
  port?.on("message", (call: ThreadCall) => {
    queue = queue.then(() => answer(opened, call));
  });
}

async function answer(opened: OpenGraph, { id, inputs, fetch }: ThreadCall): Promise<void> {
  try {
    const run = await opened.run(inputs, fetch);
    const buffers = Object.values(run.outputs).map(({ data }) => data.buffer as ArrayBuffer);
    send({ kind: "answer", id, run }, buffers);
  } catch (error) {
    send({ kind: "failure", id, message: (error as Error).message });
  }
}
