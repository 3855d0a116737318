/** The policy of a session, from the pack's manifest and the fields that `start_session` sets. */
import type { PolicyOverride } from "../../protocol/policy.js";
import type { PolicyOverrides, TrackerPolicy } from "../../tracker/policy.js";
import { presets } from "../../tracker/presets.js";
import { resolvePolicy } from "../../tracker/resolve-policy.js";
import type { Manifest } from "../packs/manifest.js";
import { EngineError } from "./engine.js";

type PackRules = Pick<Manifest, "detect" | "preset"> & { bank: Pick<Manifest["bank"], "memoryPrecision"> };

/**
 * @returns a frozen policy
 * @throws EngineError invalid_field when fields contradict each other
 */
export function sessionPolicy(
  { detect, preset, bank: { memoryPrecision } }: PackRules,
  override: PolicyOverride = {},
): TrackerPolicy {
  const policy = resolvePolicy({ preset, detect, memoryPrecision, overrides: toOverrides(override) });
  const { hotstartDelay, hotstartUnmatchThresh, hotstartDupThresh } = policy.life;
  // Without a delay no object is in hot start, and the thresholds have no effect.
  if (hotstartDelay === 0) return policy;
  const thresholds = {
    hotstart_unmatch_thresh: hotstartUnmatchThresh,
    hotstart_dup_thresh: hotstartDupThresh,
  } as const;
  for (const [name, value] of Object.entries(thresholds) as [keyof typeof thresholds, number][]) {
    const isSet = override[name] !== undefined || override.hotstart_delay !== undefined;
    if (!isSet || value <= hotstartDelay) continue;
    throw new EngineError(
      "invalid_field",
      `policy.${name}: expected at most hotstart_delay, which is ${hotstartDelay}, got ${value}`,
      `policy.${name}`,
    );
  }
  return policy;
}

/** Maps fields of the wire to fields of the policy, by group. */
export function toOverrides(override: PolicyOverride): PolicyOverrides {
  const overrides: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(override)) {
    const { group, field } = placeOf(name);
    overrides[group] = { ...overrides[group], [field]: value };
  }
  return overrides;
}

/**
 * @param name as on the wire, in snake case
 * @throws Error for a name that no policy field has
 */
export function placeOf(name: string): { group: keyof TrackerPolicy; field: string } {
  const field = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  for (const [group, values] of Object.entries(presets.masklet)) {
    if (field in values) return { group: group as keyof TrackerPolicy, field };
  }
  throw new Error(`The policy has no field ${name}.`);
}
