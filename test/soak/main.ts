/**
 * `npm run soak -- [--messages N] [--clients N] [--kills N] [--frames N] [--minutes N] [--no-rows] [--seed N]`: runs a server
 * under load and attack on loopback, and compares what it holds before and after. Exit code 1 when something did not
 * return, a request was not answered, or an owner's masks were others than undisturbed. Linux only.
 */
import { httpTask, killedClientsTask, killsTask, longTask, messagesTask, slowTask } from "./attacks.js";
import { compare, type Reading, read } from "./meter.js";
import { readOptions } from "./options.js";
import { ownersTask, undisturbed } from "./owners.js";
import { createRandom } from "./random.js";
import { Tally } from "./report.js";
import { rowsTask } from "./rows.js";
import { OWNERS, type SoakServer, startSoakServer } from "./server.js";
import { Progress, pause, type Task } from "./task.js";
import { http } from "./wire.js";

/** Sessions expire after 20 s, uploads as well, and idle processes end. */
const SETTLING_MS = 120_000;

const options = readOptions(process.argv.slice(2));
console.log(`soak: ${JSON.stringify(options)}`);
const seeds = createRandom(options.seed);
const server = await startSoakServer(createRandom(seeds.below(2 ** 31)));
const tallies: Tally[] = [];
const faults: string[] = [];
const progress = new Progress();

/** Runs a task with a generator of its own, so that tasks do not change each other's choices. */
function run(name: string, task: Task, isDone: () => boolean): Promise<void> {
  const tally = new Tally(name);
  tallies.push(tally);
  const random = createRandom(seeds.below(2 ** 31));
  return task({ server, options, random, tally, progress, isDone }).catch((error: Error) => {
    tally.fault(error.message);
  });
}

try {
  const quiet = new Tally("owners, undisturbed");
  tallies.push(quiet);
  const expected = await undisturbed(server, quiet);
  const before = await settled(server);

  let left = 0;
  let isOver = false;
  const finite = [
    ["messages", messagesTask],
    ["HTTP", httpTask],
    ["killed clients", killedClientsTask],
    ["kills", killsTask],
    ["long session", longTask],
    ["rows", rowsTask],
  ] as const;
  left = finite.length;
  const background = [
    run("owners", ownersTask(expected), () => isOver),
    run("slow peers", slowTask, () => isOver),
  ];
  await Promise.all(
    finite.map(async ([name, task]) => {
      await run(name, task, () => false);
      left -= 1;
      console.log(`${name} finished${left > 0 ? `, ${left} tasks left` : ""}`);
    }),
  );
  isOver = true;
  await Promise.all(background);

  if (server.hasEnded()) throw new Error("the server has ended");
  const after = await settled(server, before);
  for (const tally of tallies) console.log(tally.summary());
  console.log(`${"".padEnd(16)}${"before".padStart(14)}${"after".padStart(14)}${"at most".padStart(14)}`);
  for (const { name, before: was, after: is, most, hasReturned, why } of compare(before, after)) {
    console.log(
      `${name.padEnd(16)}${[was, is, most].map((one) => String(Math.round(one)).padStart(14)).join("")}  ${hasReturned ? "returned" : "DID NOT RETURN"} (${why})`,
    );
    if (!hasReturned) faults.push(`${name}: ${is} after, ${was} before, at most ${most}`);
  }
  faults.push(...tallies.flatMap((one) => one.faults), ...(await metricFaults(server)));
} catch (error) {
  faults.push((error as Error).message);
} finally {
  const output = server
    .output()
    .split("\n")
    .filter((line) => /"level":(50|60)/.test(line));
  if (output.length > 0)
    console.log(
      `errors in the server's log: ${output.length}; the last one:\n${output.at(-1)?.slice(0, 600)}`,
    );
  await server.stop();
}
for (const fault of faults) console.error(`soak: ${fault}`);
console.log(faults.length === 0 ? "soak: everything returned" : `soak: ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

/** Waits until a reading is stable, or as low as the first one. */
async function settled({ pid, temporary }: SoakServer, before?: Reading): Promise<Reading> {
  const deadline = Date.now() + (before ? SETTLING_MS : 30_000);
  for (;;) {
    await pause(2000);
    const reading = read(pid, temporary);
    const isBack = before && compare(before, reading).every(({ hasReturned }) => hasReturned);
    // Before the attack, the processes that the first jobs needed have ended.
    if (isBack || Date.now() > deadline) return reading;
  }
}

/** Counters that contradict each other. */
async function metricFaults({ http: base, key }: SoakServer): Promise<string[]> {
  const { status, body } = await http({ http: base, key: key(OWNERS[0]) }, "/metrics");
  if (status !== 200) return [`/metrics got ${status}`];
  const value = (name: string) =>
    [...String(body.text).matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce(
      (sum, [, one]) => sum + Number(one),
      0,
    );
  const wrong: string[] = [];
  if (value("masklet_requests_total") < options.messages / 3)
    wrong.push("masklet_requests_total is below a third of the messages");
  if (value("masklet_frames_total") <= 0) wrong.push("masklet_frames_total is 0");
  for (const name of ["masklet_sessions", "masklet_connections"]) {
    const now = value(name);
    if (!(now >= 0 && now <= 1)) wrong.push(`${name} is ${now} at the end`);
  }
  return wrong;
}
