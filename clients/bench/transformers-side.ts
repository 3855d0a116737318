import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { BenchPrompt, Pass, Side } from "./side.js";

/** `npm run` changes to the folder of the repository. */
const trainingDir = path.resolve("training");

/**
 * Starts transformers with the Python that has `training/requirements.txt` installed: `PYTHON`, or `python3`.
 * @param checkpoint folder that `save_pretrained` of a video model wrote, with its tokenizer
 * @throws Error with the last output of Python when it cannot load the model
 */
export async function openTransformers(
  checkpoint: string,
  video: string,
  prompt: BenchPrompt,
  threads: number,
): Promise<Side> {
  const asked = "text" in prompt ? ["--text", prompt.text] : prompt.boxes.flatMap((box) => ["--box", box]);
  const child = spawn(
    process.env.PYTHON ?? "python3",
    ["-m", "parity.bench_reference", checkpoint, video, ...asked, "--threads", String(threads)],
    {
      cwd: trainingDir,
      env: { ...process.env, OMP_NUM_THREADS: String(threads) },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  let complaint = "";
  createInterface({ input: child.stderr }).on("line", (line) => {
    complaint = line.trim() || complaint;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch(() => {});

  async function read(): Promise<unknown> {
    const { value, done } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error(`transformers ended: ${complaint}`);
    return JSON.parse(value);
  }

  await read();
  return {
    name: "transformers",
    async pass(frames = 0) {
      child.stdin.write(`${frames}\n`);
      return (await read()) as Pass;
    },
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}
