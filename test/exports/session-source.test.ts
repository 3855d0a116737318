/** The names of objects and categories in exports of a session. */
import { expect, test } from "vitest";
import type { SessionFacts } from "../../protocol/index.js";
import { createSessionSource } from "../../server/exports/session-source.js";

type ObjectFacts = SessionFacts["objects"][number];

const object = (obj_id: number, name: string | null, concept: string | null) =>
  ({ obj_id, name, concept }) as unknown as ObjectFacts;

test("a category is the concept under its name, or the name of an object without a concept, or object", () => {
  const { objects } = createSessionSource({
    facts: { width: 4, height: 4, num_frames: 1, fps: null },
    fileName: "dog.mp4",
    objects: [
      object(0, "number 7", "ball"),
      object(1, null, "ball"),
      object(2, null, "dog"),
      object(3, "Müller", null),
      object(4, null, null),
    ],
    conceptNames: [{ concept: "ball", name: "football" }],
    store: {
      frames: () => [0],
      get: () => ({ frameIndex: 0, objects: [], stats: { tracked: 0, dropped: 0 } }),
    },
    media: { timeOf: () => null } as never,
    selection: {},
  });
  expect(objects.map(({ name, category }) => `${name}: ${category}`)).toEqual([
    "number 7: football",
    "football 1: football",
    "dog 2: dog",
    "Müller: Müller",
    "object 4: object",
  ]);
});
