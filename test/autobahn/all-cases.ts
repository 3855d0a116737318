import type { Case } from "./case.js";
import { closeCases, compressionCases, limitCases, type MessageLimits } from "./cases-close.js";
import { framingCases } from "./cases-framing.js";
import { utf8Cases } from "./cases-utf8.js";
import { type CaseResult, encodeStep, runCase, type Target } from "./run-case.js";

/**
 * The cases of Autobahn's fuzzing client, adapted to a server that does not echo: a text that is not JSON gets one error
 * `malformed_json`, a binary message `binary_not_expected`, in place of the echo.
 */
export const allCases = (limits: MessageLimits): Case[] => [
  ...framingCases,
  ...utf8Cases(encodeStep),
  ...closeCases,
  ...limitCases(limits),
  ...compressionCases,
];

/** Runs several cases at the same time; the results have the order of the cases. */
export async function runCases(target: Target, cases: readonly Case[], atOnce = 8): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < cases.length; index = next++)
      results[index] = await runCase(target, cases[index] as Case);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}
