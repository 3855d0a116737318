/** From what `start_session` says about rules to the policy of one session. */
import type { PolicyOverride } from "../../protocol/policy.js";
import { type PolicyOverrides, resolvePolicy, type TrackerPolicy } from "../../tracker/policy.js";
import { presets } from "../../tracker/presets.js";
import type { Manifest } from "../packs/manifest.js";
import { EngineError } from "./engine.js";

/**
 * The pack's preset, its manifest, and the single fields of the session.
 * @throws EngineError invalid_field when fields contradict each other.
 */
export function sessionPolicy(
  { detect, preset, family }: Pick<Manifest, "detect" | "preset" | "family">,
  override: PolicyOverride = {},
): TrackerPolicy {
  const policy = resolvePolicy(toOverrides(override), detect, preset);
  // Of the models that the port of SAM 3 has siblings of, this one keeps its memories as they are.
  if (family === "edgetam") policy.memory.precision = "float32";
  const { hotstartDelay } = policy.life;
  for (const name of ["hotstart_unmatch_thresh", "hotstart_dup_thresh"] as const) {
    const value = policy.life[name === "hotstart_dup_thresh" ? "hotstartDupThresh" : "hotstartUnmatchThresh"];
    const isSaid = override[name] !== undefined || override.hotstart_delay !== undefined;
    // Without a delay nobody is ever on probation, and the thresholds say nothing.
    if (!isSaid || hotstartDelay === 0 || value <= hotstartDelay) continue;
    throw new EngineError(
      "invalid_field",
      `policy.${name}: expected at most hotstart_delay, which is ${hotstartDelay}, got ${value}`,
      `policy.${name}`,
    );
  }
  return policy;
}

/** Fields as the wire names them, in the groups in which the tracker knows them. */
export function toOverrides(override: PolicyOverride): PolicyOverrides {
  const overrides: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(override)) {
    const { group, field } = placeOf(name);
    overrides[group] = { ...overrides[group], [field]: value };
  }
  return overrides;
}

/** @throws Error for a name that no rule has */
export function placeOf(name: string): { group: keyof TrackerPolicy; field: string } {
  const field = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  for (const [group, values] of Object.entries(presets.masklet)) {
    if (field in values) return { group: group as keyof TrackerPolicy, field };
  }
  throw new Error(`no rule is called ${name}`);
}
