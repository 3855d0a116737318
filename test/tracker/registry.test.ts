import { expect, it } from "vitest";
import { presets } from "../../tracker/presets.js";
import { createRegistry, MAX_DORMANT } from "../../tracker/registry.js";
import { bank } from "./scripted-world.js";

it("keeps a bounded number of dormant objects, those that were visible last", () => {
  const registry = createRegistry(presets.compact, bank);
  const birth = { conceptKey: 0, prob: 0.9, bornFrame: 0, motion: null, confirmed: true };
  const followed = registry.create(birth);
  const dormant = Array.from({ length: MAX_DORMANT + 6 }, () => registry.create(birth));
  dormant.forEach((masklet, index) => {
    Object.assign(masklet, { state: "dormant", lostFrames: 400 - index });
  });
  registry.trim();
  const kept = dormant.slice(6).map(({ id }) => id);
  expect(registry.all().map(({ id }) => id)).toEqual([followed.id, ...kept]);
  expect(registry.tracked()).toEqual([followed]);
});
