/** The policy of one session: a preset, then the pack's manifest, then single fields. */
import { changePolicy, type PolicyOverrides, type TrackerPolicy } from "./policy.js";
import { type PresetName, presets } from "./presets.js";

/** `detect` of a pack's manifest; field names as in the manifest. */
export interface ManifestDetect {
  scoreThreshold: number;
  nmsIou: number;
  newObjectScore: number;
}

export interface PolicySources {
  /** `masklet` when absent. */
  preset?: PresetName | undefined;
  /** Absent for packs that do not detect. */
  detect?: ManifestDetect | undefined;
  /** `bank.memoryPrecision` of the manifest; absent: the value of the preset applies. */
  memoryPrecision?: TrackerPolicy["memory"]["precision"] | undefined;
  /** Single fields, which take precedence over all others. */
  overrides?: PolicyOverrides | undefined;
}

/**
 * Resolves the policy of a session once, for all parts of the tracker. `nmsIou` of the manifest has no effect under a preset
 * that does not suppress overlapping detections.
 * @returns a frozen policy
 */
export function resolvePolicy({
  preset = "masklet",
  detect,
  memoryPrecision,
  overrides = {},
}: PolicySources = {}): TrackerPolicy {
  const base = presets[preset];
  const fromManifest: PolicyOverrides = {
    ...(detect && {
      detect: {
        scoreThresholdDetection: detect.scoreThreshold,
        newDetThresh: detect.newObjectScore,
        ...(base.detect.detNmsThresh > 0 ? { detNmsThresh: detect.nmsIou } : {}),
      },
    }),
    ...(memoryPrecision && { memory: { precision: memoryPrecision } }),
  };
  return changePolicy(changePolicy(base, fromManifest), overrides);
}
