/** Contrast of the colours of the annotator page, by the formula of WCAG 2.2. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("../../clients/web/theme/tokens.css", import.meta.url), "utf8");
const COLOUR = /--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/g;
const tokens = new Map(
  [...css.matchAll(COLOUR)].map(([, name = "", light = "", dark = ""]) => [name, { light, dark }]),
);

const GROUNDS = ["surface-sunken", "surface", "surface-raised", "surface-hover"];
const on = (names: readonly string[], grounds: readonly string[]) =>
  names.flatMap((name) => grounds.map((ground) => [name, ground] as const));

/** 1.4.3: text. */
const TEXTS = [
  ...on(["text", "text-muted", "accent", "danger", "warning", "ok"], GROUNDS),
  ...on(["text"], ["accent-soft", "danger-soft", "warning-soft", "ok-soft"]),
  ["accent-text", "accent"],
  ["accent-text", "accent-hover"],
  ["danger-text", "danger"],
  ["danger", "danger-soft"],
  ["warning", "warning-soft"],
  ["ok", "ok-soft"],
  ["accent", "accent-soft"],
  ["text-on-stage", "stage"],
] as const;

/** 1.4.11: outlines of controls, focus and marks. */
const MARKS = on(
  ["focus", "border-strong", "playhead", "mark-suspect", "mark-locked"],
  ["surface-sunken", "surface", "surface-raised"],
);

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

function colour(name: string, theme: "light" | "dark"): string {
  const value = tokens.get(name)?.[theme];
  if (value === undefined) throw new Error(`tokens.css has no colour --${name}`);
  return value;
}

describe.each(["light", "dark"] as const)("the %s theme", (theme) => {
  const tooLow = (pairs: readonly (readonly [string, string])[], least: number) =>
    pairs.flatMap(([name, ground]) => {
      const ratio = contrast(colour(name, theme), colour(ground, theme));
      return ratio < least ? [`--${name} on --${ground}: ${ratio.toFixed(2)}`] : [];
    });

  it("has text with a contrast of 4.5 at least", () => {
    expect(tooLow(TEXTS, 4.5)).toEqual([]);
  });

  it("has outlines and marks with a contrast of 3 at least", () => {
    expect(tooLow(MARKS, 3)).toEqual([]);
  });
});

it("computes the contrast of black and white", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
});
