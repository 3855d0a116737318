/**
 * Compares the frames per second of the whole server, from decoding to socket, with transformers in PyTorch: same weights,
 * same clip, same cores, alternating in one run.
 *
 *     npm run bench -- reference --checkpoint models/sam3 --pack packs/sam3 --video clip.mp4 --text "red car"
 *     npm run bench -- reference --checkpoint models/sam2 --pack packs/sam2 --video clip.mp4 --box 100,80,60,40
 *
 * `--box` is repeatable, once per object. `--threads N` restricts both to N cores; default: all. After a few warm-up frames
 * the two alternate for `--rounds` passes over the clip; default 3. The ratio is that of the best rounds, because on a
 * shared machine the best round is the least disturbed.
 */
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { keepToCores } from "./cores.js";
import { wholeNumber } from "./options.js";
import { openServer } from "./server-side.js";
import type { BenchPrompt, Pass, Side } from "./side.js";
import { openTransformers } from "./transformers-side.js";

/** Warm-up frames, which are not counted. */
const WARM_UP = 2;

interface Plan {
  checkpoint: string;
  /** The checkpoint, exported. */
  pack: string;
  video: string;
  prompt: BenchPrompt;
  threads: number;
  rounds: number;
}

function readPlan(args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      checkpoint: { type: "string" },
      pack: { type: "string" },
      video: { type: "string" },
      text: { type: "string" },
      box: { type: "string", multiple: true },
      threads: { type: "string", default: String(availableParallelism()) },
      rounds: { type: "string", default: "3" },
    },
  });
  const required = (name: "checkpoint" | "pack" | "video") => {
    const value = values[name];
    if (value === undefined)
      throw new Error(`--${name} is missing; --checkpoint, --pack, --video and --text or --box are needed.`);
    return path.resolve(value);
  };
  const count = (name: "threads" | "rounds") => wholeNumber(name, values[name]);
  return {
    checkpoint: required("checkpoint"),
    pack: required("pack"),
    video: required("video"),
    prompt: readPrompt(values),
    threads: count("threads"),
    rounds: count("rounds"),
  };
}

function readPrompt({ text, box: boxes }: { text?: string; box?: string[] }): BenchPrompt {
  if (text !== undefined && boxes === undefined) return { text };
  if (boxes !== undefined && text === undefined) return { boxes };
  throw new Error("Name one prompt: --text for SAM 3, or --box for SAM 2.1 and EdgeTAM.");
}

const rate = ({ frames, seconds }: Pass) => frames / seconds;
const best = (passes: readonly Pass[]) => Math.max(...passes.map(rate));

async function timed({ name, pass }: Side, round: number): Promise<Pass> {
  const seen = await pass();
  const { frames, objects, seconds } = seen;
  process.stdout.write(
    `${round}  ${name.padEnd(13)} ${rate(seen).toPrecision(3)} frames per second ` +
      `(${frames} frames, ${objects} objects shown, ${seconds.toFixed(2)} s)\n`,
  );
  return seen;
}

/** @throws Error with one sentence when an option is missing or Python cannot run */
export async function benchReference(args: string[]): Promise<void> {
  const { checkpoint, pack, video, prompt, threads, rounds } = readPlan(args);
  await keepToCores(threads);
  const sides: Side[] = [];
  const open = async (opening: Promise<Side>) => {
    const side = await opening;
    sides.push(side);
    return side;
  };
  try {
    const transformers = await open(openTransformers(checkpoint, video, prompt, threads));
    const server = await open(openServer(pack, video, prompt, threads));
    for (const { pass } of sides) await pass(WARM_UP);
    const theirs: Pass[] = [];
    const serverPasses: Pass[] = [];
    for (let round = 1; round <= rounds; round++) {
      theirs.push(await timed(transformers, round));
      serverPasses.push(await timed(server, round));
    }
    const cores = `${threads} core${threads === 1 ? "" : "s"}`;
    process.stdout.write(
      `ratio of the best rounds: ${(best(serverPasses) / best(theirs)).toFixed(2)} (${cores})\n`,
    );
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
}
