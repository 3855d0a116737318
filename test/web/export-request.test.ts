import { describe, expect, it } from "vitest";
import { exportPath, fileNameOf, readFrames, sizeText } from "../../clients/web/take/export-request.js";

describe("exportPath", () => {
  it("selects everything by default", () => {
    expect(exportPath("a/b", { format: "coco" })).toBe("v1/sessions/a%2Fb/export/coco");
  });

  it("contains frames, objects and the options with a value", () => {
    const choice = {
      format: "coco",
      frames: { first: 3, last: 9 },
      objects: [0, 2],
      options: { masks: "polygons", tolerance: "" },
    };
    expect(exportPath("s", choice, true)).toBe(
      "v1/sessions/s/export/coco?frames=3-9&objects=0%2C2&masks=polygons&preview=true",
    );
  });
});

describe("readFrames", () => {
  it.each([
    ["", undefined],
    [" 7 ", { first: 7, last: 7 }],
    ["0-99", { first: 0, last: 99 }],
    ["0 – 9", { first: 0, last: 9 }],
  ])("reads %j", (text, frames) => {
    expect(readFrames(text, 100)).toEqual({ frames });
  });

  it.each([
    ["abc", 'Frames: "abc" is not a frame or a range such as 0-99.'],
    ["9-3", "Frames: 9 comes after 3."],
    ["0-100", "Frames: the video ends with frame 99."],
  ])("refuses %j", (text, error) => {
    expect(readFrames(text, 100)).toEqual({ error });
  });
});

describe("fileNameOf", () => {
  it.each([
    ["attachment; filename*=UTF-8''cl%C3%A9.zip", "clé.zip"],
    ['attachment; filename="a b.json"', "a b.json"],
    ["attachment; filename*=UTF-8''%E0%A4%A", "x"],
    [null, "x"],
  ])("reads %j", (header, name) => {
    expect(fileNameOf(header, "x")).toBe(name);
  });
});

it.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [3_210_000, "3.2 MB"],
  [320_000_000, "320 MB"],
])("writes the size %j", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
