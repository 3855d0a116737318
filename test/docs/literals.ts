/** The texts that a source file can print: its string and template literals. */

/** A part of a literal: fixed text, or undefined for a value. */
type Part = string | undefined;

/** Patterns of whole messages: joined literals are one, and a value stands for any text. */
export function messagePatterns(source: string): RegExp[] {
  const patterns: RegExp[] = [];
  let parts: Part[] = [];
  let end = -1;
  const finish = () => {
    // Fewer fixed letters would match nearly everything.
    if (parts.join("").replace(/[^a-z]/gi, "").length >= 8) patterns.push(toPattern(parts));
  };
  for (const literal of literals(source)) {
    const isJoined = end >= 0 && /^\s*\+\s*$/.test(source.slice(end, literal.start));
    if (!isJoined) finish();
    parts = isJoined ? [...parts, ...literal.parts] : literal.parts;
    end = literal.end;
  }
  finish();
  return patterns;
}

function toPattern(parts: readonly Part[]): RegExp {
  const escaped = parts.map((part) => part?.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") ?? ".*");
  return new RegExp(`^${escaped.join("").trimEnd()}$`, "s");
}

function* literals(source: string): Generator<{ start: number; end: number; parts: Part[] }> {
  for (let at = 0; at < source.length; at++) {
    const rest = source.slice(at, at + 2);
    if (rest === "//") at = endOf(source, "\n", at);
    else if (rest === "/*") at = endOf(source, "*/", at) + 1;
    else if (/["'`]/.test(source[at] ?? "")) {
      const start = at;
      const parts: Part[] = [];
      at = readLiteral(source, at, parts);
      yield { start, end: at + 1, parts };
    }
  }
}

function endOf(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from + 2);
  return found < 0 ? source.length : found;
}

/** Reads a literal into `parts`. Returns the position of its closing quote. */
function readLiteral(source: string, start: number, parts: Part[]): number {
  const quote = source[start];
  let text = "";
  let at = start + 1;
  for (; at < source.length && source[at] !== quote; at++) {
    if (source[at] === "\\") text += source[++at] === "n" ? "\n" : source[at];
    else if (quote === "`" && source.startsWith("${", at)) {
      parts.push(text, undefined);
      text = "";
      at = endOfValue(source, at + 2);
    } else if (quote !== "`" && source[at] === "\n") break;
    else text += source[at];
  }
  parts.push(text);
  return at;
}

/** The position of the brace that closes `${`. */
function endOfValue(source: string, start: number): number {
  let depth = 1;
  for (let at = start; at < source.length; at++) {
    const letter = source[at] ?? "";
    if (/["'`]/.test(letter)) at = readLiteral(source, at, []);
    else if (letter === "{") depth++;
    else if (letter === "}" && --depth === 0) return at;
  }
  return source.length;
}
