/** `masklet conformance URL`: verifies a server against the numbered rules of PROTOCOL.md. */
import { runConformance } from "../conformance/run.js";
import type { RuleResult } from "../conformance/verdicts.js";
import { CommandError } from "./errors.js";

export interface ConformanceArguments {
  key?: string;
  only?: string[];
  json?: boolean;
}

const TOPICS: Record<string, string> = {
  A: "keys and owners",
  B: "binary messages",
  C: "connections and messages",
  D: "exports and imports",
  E: "edits and undo",
  F: "frames",
  H: "HTTP",
  K: "saved sessions",
  L: "live sessions",
  O: "outputs",
  P: "prompts",
  R: "lost connections",
  S: "sessions",
  T: "streams",
  U: "uploads",
  V: "predict",
  X: "errors and limits",
};

/** @throws CommandError when a rule broke, or when the server does not answer */
export async function conformance(url: string, { key, only, json }: ConformanceArguments): Promise<void> {
  const secret = key ?? process.env.MASKLET_KEY;
  const results = await runConformance({
    url,
    ...(secret !== undefined && { key: secret }),
    ...(only && { only }),
    ...(process.stderr.isTTY && !json && { onCheck: (name) => process.stderr.write(`\r\x1b[K${name}`) }),
  }).catch((error: Error & { status?: number }) => {
    throw new CommandError(`${url}: ${error.message}.`, { cause: error });
  });
  if (process.stderr.isTTY && !json) process.stderr.write("\r\x1b[K");
  process.stdout.write(json ? `${JSON.stringify({ results }, undefined, 2)}\n` : table(results));
  const broke = results.filter(({ outcome }) => outcome === "broke");
  if (broke.length > 0) throw new CommandError(`${broke.length} of ${results.length} rules broke.`);
}

function table(results: readonly RuleResult[]): string {
  const topics = [...new Set(results.map(({ rule }) => rule.charAt(0)))];
  const count = (outcome: RuleResult["outcome"]) => results.filter((one) => one.outcome === outcome).length;
  const sections = topics.map((topic) => {
    const rows = results
      .filter(({ rule }) => rule.startsWith(`${topic}-`))
      .map(({ rule, outcome, reason }) =>
        `  ${rule.padEnd(5)} ${outcome.padEnd(9)} ${reason ?? ""}`.trimEnd(),
      );
    return [`${topic}  ${TOPICS[topic] ?? ""}`, ...rows].join("\n");
  });
  return `${sections.join("\n")}\nheld ${count("held")}, broke ${count("broke")}, not tried ${count("not tried")}\n`;
}
