/** Requests that no tool sends: one value of a JSON body is replaced by another one. */
import fc from "fast-check";

// biome-ignore lint/suspicious/noExplicitAny: any JSON
type Json = any;

/** A value of another type, another size, or none. */
const otherValue = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    "",
    "x".repeat(10_000),
    -1,
    0,
    1e308,
    2 ** 53,
    0.5,
    true,
    [],
    {},
    [[]],
    "\u0000",
  ),
  fc.jsonValue(),
);

/** All paths into a JSON value. */
function pathsOf(value: Json, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function mutated(value: Json, path: readonly (string | number)[], to: unknown): Json {
  const [key, ...rest] = path;
  if (key === undefined) return to;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = mutated(copy[key], rest, to);
  return copy;
}

/** Requests with the paths of their routes and their bodies; `at` is where the value `to` is put into `body`. */
export function mutationsOf(requests: readonly (readonly [path: string, body: Json])[]) {
  return fc
    .constantFrom(...requests)
    .chain(([path, original]) =>
      fc
        .record({ at: fc.constantFrom(...pathsOf(original)), to: otherValue })
        .map(({ at, to }) => ({ path, at, to, body: mutated(original, at, to) ?? null })),
    );
}
