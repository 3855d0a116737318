import type { Lab } from "./lab.js";

/** Verifies one rule. @throws BrokenRule, or NotTried when this server cannot be asked */
export type Verify = (rule: string, verify: () => void | Promise<void>) => Promise<void>;

/**
 * A scenario that verifies rules. An exception outside `verify` breaks those of its rules that are not decided, because
 * the scenario consists of valid requests.
 */
export interface Check {
  name: string;
  rules: readonly string[];
  run(lab: Lab, verify: Verify): Promise<void>;
}

export function check(name: string, rules: string, run: Check["run"]): Check {
  return { name, rules: rules.split(" "), run };
}
