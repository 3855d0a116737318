/** `masklet pack verify`: every rule of the Model Pack contract. */
import { inspectGraph } from "../../../server/engine/index.js";
import { type PackCheck, verifyPackFolder } from "../../../server/packs/verify.js";
import { CommandError } from "../errors.js";
import { printJson } from "../print-json.js";
import { resolvePack } from "./find.js";
import type { PackArguments } from "./list.js";

/** @throws CommandError when a rule is broken */
export async function verifyPack(given: string, { data, json }: PackArguments): Promise<void> {
  const folder = await resolvePack(given, data, "PACK");
  const checks = await verifyPackFolder(folder, inspectGraph);
  const faults = checks.flatMap(({ faults }) => faults);
  if (json) printJson({ folder, valid: faults.length === 0, checks });
  else for (const check of checks) process.stdout.write(describeCheck(check));
  if (faults.length === 0) return;
  throw new CommandError(`${folder} breaks the Model Pack contract: ${faults.length} faults.`);
}

function describeCheck({ subject, rule, faults }: PackCheck): string {
  if (faults.length === 0) return `ok     ${subject}: ${rule}\n`;
  return faults.map((fault) => `fault  ${fault.message}\n`).join("");
}
