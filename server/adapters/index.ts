/** The adapters that a server has turned on. */
import type { Adapter, AdapterParts } from "./adapter.js";
import { createCvat } from "./cvat/cvat.js";
import { createLabelStudio } from "./label-studio/label-studio.js";
import type { AdapterName } from "./names.js";
import { createSam2Demo } from "./sam2-demo/sam2-demo.js";
import { createXAnyLabeling } from "./x-anylabeling/x-anylabeling.js";

const ADAPTERS: Readonly<Record<AdapterName, (parts: AdapterParts) => Adapter>> = {
  cvat: createCvat,
  "label-studio": createLabelStudio,
  "x-anylabeling": createXAnyLabeling,
  "sam2-demo": createSam2Demo,
};

export function createAdapters(parts: AdapterParts): Adapter[] {
  return [...new Set(parts.settings.adapters)].map((name) => ADAPTERS[name](parts));
}
