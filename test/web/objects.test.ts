import { describe, expect, it } from "vitest";
import { type PanelObject, panelRows, selectBy } from "../../clients/web/objects/panel-model.js";

const object = (id: number, name: string, group?: string, concept: string | null = null): PanelObject => ({
  id,
  name,
  group,
  concept,
  colour: "#112233",
  hidden: false,
  stale: [],
  states: { state: new Uint8Array(1), flags: new Uint8Array(1), score: new Uint8Array(1) },
});

const objects = [
  object(0, "ball"),
  object(1, "dog 1", undefined, "dog"),
  object(2, "keeper", "team A"),
  object(3, "dog 3", "team A", "dog"),
  object(4, "dog 4", undefined, "dog"),
];
const keys = (filter: string) => panelRows(objects, ["dog"], filter).map(({ key }) => key);

describe("rows of the object panel", () => {
  it("lists objects under their group, else under their concept", () => {
    expect(keys("")).toEqual(["0", "concept dog", "1", "4", "group team A", "2", "3"]);
    expect(panelRows(objects, ["dog"], "")[1]).toMatchObject({ title: "dog", concept: "dog", ids: [1, 4] });
    expect(panelRows(objects, ["dog"], "")[4]).toMatchObject({
      title: "team A",
      concept: undefined,
      ids: [2, 3],
    });
  });

  it("lists phrases that have detected no object", () => {
    const rows = panelRows(objects, ["dog", "cat"], "");
    expect(rows.filter(({ key }) => key.startsWith("concept"))).toMatchObject([
      { title: "cat", concept: "cat", ids: [] },
      { title: "dog", ids: [1, 4] },
    ]);
    expect(panelRows([], ["cat"], "")).toMatchObject([{ title: "cat", ids: [] }]);
    expect(panelRows(objects, ["cat"], "keeper").map(({ key }) => key)).toEqual(["group team A", "2"]);
    // All objects of the phrase are in groups: it is not without objects.
    expect(panelRows([object(3, "dog 3", "team A", "dog")], ["dog"], "")).toHaveLength(2);
  });

  it.each([
    ["DOG", ["concept dog", "1", "4", "group team A", "3"]],
    ["team dog", ["group team A", "3"]],
    ["#2", ["group team A", "2"]],
    ["cat", []],
  ])("filters by %j", (filter, expected) => {
    expect(keys(filter)).toEqual(expected);
  });
});

describe("selection", () => {
  const shown = [0, 1, 4, 2, 3];
  it.each([
    ["one", [4], 2, [2]],
    ["toggle", [4], 2, [4, 2]],
    ["toggle", [4, 2], 4, [2]],
    ["to", [1], 2, [1, 4, 2]],
    ["to", [3], 4, [3, 4, 2]],
    ["to", [], 4, [4]],
  ] as const)("%s from %j on %i", (mode, before, id, after) => {
    expect([...selectBy(new Set(before), shown, id, mode)]).toEqual(after);
  });
});
