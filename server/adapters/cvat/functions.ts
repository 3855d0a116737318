/**
 * The functions that CVAT finds. A detector has labels, which CVAT relates to those of the task; they are the phrases that the
 * operator has named.
 */
import { ProtocolError } from "../../../protocol/index.js";
import { type Kind, SHAPE_TYPES } from "./schemas.js";

const HELP =
  "A positive point on the object, negative points beside it, or a box around it. Every further point refines the mask.";

export interface CvatFunction {
  id: string;
  kind: Kind;
  description: string;
  annotations: Readonly<Record<string, string>>;
}

/** @param labels phrases of the detector; without any there is no detector */
export function functionsOf(labels: readonly string[]): CvatFunction[] {
  const spec = labels.map((name, id) => ({ id, name, type: "mask", attributes: [] }));
  const functions: CvatFunction[] = [
    {
      id: "masklet-tracker",
      kind: "tracker",
      description: "Tracks masks, polygons and rectangles",
      annotations: { supported_shape_types: SHAPE_TYPES.join(","), spec: "[]" },
    },
    {
      id: "masklet-interactor",
      kind: "interactor",
      description: "Masks for points and boxes",
      annotations: {
        ...{ spec: "[]", min_pos_points: "0", min_neg_points: "0", startswith_box_optional: "true" },
        help_message: HELP,
      },
    },
    {
      id: "masklet-detector",
      kind: "detector",
      description: "Finds all instances of phrases",
      annotations: { spec: JSON.stringify(spec) },
    },
  ];
  return functions.filter(({ kind }) => kind !== "detector" || labels.length > 0);
}

/** A function in the form of Nuclio. @param port of this server */
export function describeFunction({ id, kind, description, annotations }: CvatFunction, port: number) {
  return {
    metadata: {
      ...{ name: id, namespace: "nuclio", labels: { "nuclio.io/project-name": "cvat" } },
      // CVAT refuses interactors of version 1.
      annotations: { name: `masklet ${kind}`, type: kind, version: "2", ...annotations },
    },
    spec: { description },
    status: { state: "ready", httpPort: port },
  };
}

/** @throws ProtocolError resource_not_found, missing_field */
export function findFunction(functions: readonly CvatFunction[], id: string | undefined): CvatFunction {
  const expected = functions.map((one) => one.id).join(", ");
  if (id === undefined) {
    const field = "x-nuclio-function-name";
    throw new ProtocolError("missing_field", `${field}: missing: expected one of ${expected}.`, field);
  }
  const found = functions.find((one) => one.id === id);
  if (found) return found;
  const seen = JSON.stringify(id.slice(0, 60));
  throw new ProtocolError("resource_not_found", `There is no function ${seen}: expected one of ${expected}.`);
}
