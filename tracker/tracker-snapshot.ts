/** The state of a tracker as plain data, see `snapshot.ts`. */
import type { ConceptsSnapshot } from "../detector/concepts.js";
import type { Pass } from "./pass.js";
import type { RegistrySnapshot } from "./registry.js";
import type { History } from "./sam3/history.js";

export interface TrackerSnapshot {
  registry: RegistrySnapshot;
  concepts: ConceptsSnapshot;
  history: Readonly<History>;
  pass: Readonly<Pass>;
}
