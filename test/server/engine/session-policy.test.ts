import { describe, expect, it } from "vitest";
import { PRESET_NAMES, parseRequest, policySchema } from "../../../protocol/index.js";
import { placeOf, sessionPolicy, toOverrides } from "../../../server/engine/session-policy.js";
import { presets } from "../../../tracker/presets.js";

const fields = Object.keys(policySchema.shape);
const detect = { scoreThreshold: 0.5, nmsIou: 0.1, newObjectScore: 0.7 };

describe("the policy fields of a session", () => {
  it.each(fields)("%s is a field of the policy, of the same type", (name) => {
    const { group, field } = placeOf(name);
    const value = (presets.sam3[group] as Record<string, unknown>)[field];
    expect(policySchema.safeParse({ [name]: value }).error).toBeUndefined();
    expect(toOverrides({ [name]: value })).toEqual({ [group]: { [field]: value } });
  });

  it.each(fields)("%s documents the effect of both directions", (name) => {
    const schema = policySchema.shape[name as keyof typeof policySchema.shape];
    expect(schema.description ?? schema.unwrap().description).toMatch(
      /Higher: .+Lower: |On: .+Off: |Off: .+On: /s,
    );
  });

  it("contains every preset that packs may name", () => {
    expect(Object.keys(presets).sort()).toEqual([...PRESET_NAMES].sort());
  });

  it("takes precedence over the pack's preset and manifest", () => {
    const pack = { detect, preset: "sam3", bank: {} } as const;
    const policy = sessionPolicy(pack, { hotstart_delay: 0, new_det_thresh: 0.9 });
    expect(policy.life).toEqual({ ...presets.sam3.life, hotstartDelay: 0 });
    expect(policy.detect.newDetThresh).toBe(0.9);
    expect(sessionPolicy({ bank: {} })).toEqual(presets.masklet);
  });

  it("refuses thresholds above the delay, naming the field", () => {
    const pack = { detect, preset: "masklet", bank: {} } as const;
    expect(() => sessionPolicy(pack, { hotstart_unmatch_thresh: 16 })).toThrow(
      "policy.hotstart_unmatch_thresh: expected at most hotstart_delay, which is 15, got 16",
    );
    expect(() => sessionPolicy(pack, { hotstart_delay: 7 })).toThrow(/hotstart_unmatch_thresh/);
    expect(sessionPolicy(pack, { hotstart_dup_thresh: 15 }).life.hotstartDupThresh).toBe(15);
  });

  it("takes the precision of memories from the manifest, and from the preset without it", () => {
    const precision = (bank: { memoryPrecision?: "float32" }) =>
      sessionPolicy({ preset: "transformers", bank }).memory.precision;
    expect([precision({}), precision({ memoryPrecision: "float32" })]).toEqual(["bfloat16", "float32"]);
  });

  it("is checked on the wire", () => {
    const start = (policy: object) => () =>
      parseRequest({ type: "start_session", resource_path: "a.mp4", policy });
    expect(start({ hotstart_delay: 3 })()).toMatchObject({ policy: { hotstart_delay: 3 } });
    expect(start({ hotstart_delay: -1 })).toThrow(/policy\.hotstart_delay/);
    expect(start({ gravity: 1 })).toThrow(/gravity/);
  });
});
