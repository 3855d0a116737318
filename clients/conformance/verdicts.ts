/** How checks report: by exceptions and by verdicts on rules. */

/** The server contradicts a rule. The message states what was expected and what was seen. */
export class BrokenRule extends Error {
  override readonly name = "BrokenRule";
}

/** A check cannot run against this server, such as one of phrases with a pack without text. */
export class NotTried extends Error {
  override readonly name = "NotTried";
}

/** @throws BrokenRule unless `holds` */
export function expectThat(holds: unknown, message: string): asserts holds {
  if (!holds) throw new BrokenRule(message);
}

/** @throws BrokenRule unless both have the same JSON */
export function expectSame(seen: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(expected)];
  expectThat(a === b, `${what}: expected ${short(b)}, got ${short(a)}`);
}

const short = (text = "nothing") => (text.length > 120 ? `${text.slice(0, 120)}…` : text);

export type Outcome = "held" | "broke" | "not tried";

export interface RuleResult {
  rule: string;
  outcome: Outcome;
  /** Why it broke or was not tried. */
  reason?: string;
}

/** Collects verdicts. A rule that broke once stays broken. */
export class Verdicts {
  private readonly results = new Map<string, RuleResult>();

  held(rule: string): void {
    if (this.results.get(rule)?.outcome !== "broke") this.results.set(rule, { rule, outcome: "held" });
  }

  broke(rule: string, reason: string): void {
    if (this.results.get(rule)?.outcome !== "broke")
      this.results.set(rule, { rule, outcome: "broke", reason });
  }

  /** Has no effect on a rule that another check decided. */
  notTried(rule: string, reason: string): void {
    if (!this.results.has(rule)) this.results.set(rule, { rule, outcome: "not tried", reason });
  }

  get(rule: string): RuleResult | undefined {
    return this.results.get(rule);
  }
}
