/** Runs the checks against a server and collects one verdict per rule. */
import type { Check } from "./check.js";
import { CHECKS } from "./checks.js";
import { openLab } from "./lab.js";
import { UNTESTABLE } from "./untestable.js";
import { BrokenRule, NotTried, type RuleResult, Verdicts } from "./verdicts.js";

export interface ConformanceOptions {
  /** `http(s)://` or `ws(s)://`, with or without the path `/v1`. */
  url: string;
  key?: string;
  /** Topics such as `C`, or rules such as `C-12`; default: all. */
  only?: readonly string[];
  /** Time for one answer. Default: 30 s. */
  timeoutMs?: number;
  /** Time for one check. Default: 120 s. */
  checkMs?: number;
  onCheck?(name: string): void;
}

/** @throws Error when the server does not answer, or refuses the connection */
export async function runConformance(options: ConformanceOptions): Promise<RuleResult[]> {
  const { url, key, only, timeoutMs = 30_000, checkMs = 120_000, onCheck } = options;
  const verdicts = new Verdicts();
  const lab = await openLab({
    ...addressesOf(url),
    ...(key !== undefined && { key }),
    timeoutMs,
    onFault: (rule, fault) => verdicts.broke(rule, fault),
  });
  const isWanted = (rule: string) => !only || only.some((one) => one === rule || one === rule.split("-")[0]);
  try {
    for (const one of CHECKS.filter(({ rules }) => rules.some(isWanted))) {
      onCheck?.(one.name);
      await runCheck(one, checkMs);
      await lab.tidy();
    }
  } finally {
    await lab.close();
  }

  async function runCheck({ rules, run }: Check, limitMs: number): Promise<void> {
    const decided = new Set<string>();
    const verify = async (rule: string, test: () => void | Promise<void>) => {
      try {
        await test();
        verdicts.held(rule);
      } catch (error) {
        note(rule, error);
      }
      decided.add(rule);
    };
    function note(rule: string, error: unknown): void {
      if (error instanceof NotTried) verdicts.notTried(rule, error.message);
      else verdicts.broke(rule, error instanceof BrokenRule ? error.message : String(error));
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new BrokenRule(`the check took more than ${limitMs / 1000} s`)),
        limitMs,
      );
    });
    try {
      await Promise.race([run(lab, verify), late]);
    } catch (error) {
      for (const rule of rules) if (!decided.has(rule)) note(rule, error);
    } finally {
      clearTimeout(timer);
    }
  }

  const rules = [...new Set([...CHECKS.flatMap((one) => one.rules), ...Object.keys(UNTESTABLE)])];
  return rules
    .filter(isWanted)
    .sort(byTopicAndNumber)
    .map(
      (rule) =>
        verdicts.get(rule) ?? {
          rule,
          outcome: "not tried",
          reason: UNTESTABLE[rule] ?? "the check did not reach this rule",
        },
    );
}

function byTopicAndNumber(a: string, b: string): number {
  const [topicA = "", numberA] = a.split("-");
  const [topicB = "", numberB] = b.split("-");
  return topicA.localeCompare(topicB) || Number(numberA) - Number(numberB);
}

function addressesOf(text: string): { http: string; socket: string } {
  const url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  return {
    http: `${secure ? "https" : "http"}://${url.host}`,
    socket: `${secure ? "wss" : "ws"}://${url.host}/v1`,
  };
}
