/**
 * Lists the other files that an ONNX graph reads. Large graphs store their weights in other files (`external_data` of a
 * tensor). The graph contains the paths, and a runtime that trusts them would read any file.
 *
 * Reads only the structure of the file and skips the weights in it, so that the cost does not depend on their size. Field
 * numbers are those of onnx.proto (`onnx/onnx:onnx/onnx.proto`).
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The values of a tensor in another file. */
export interface ExternalTensor {
  /** Name of the tensor; empty when the graph has none. */
  tensor: string;
  /** As written in the graph: relative to the folder of the graph. */
  location: string;
  /** First byte in that file. */
  offset: number;
  /** Number of bytes; undefined when the graph does not state it. */
  length: number | undefined;
}

type Kind = "model" | "function" | "graph" | "node" | "attribute" | "sparse" | "training" | "tensor";

/** The fields that lead to tensors, by the message that contains them. */
const CHILDREN: Record<Kind, Readonly<Record<number, Kind>>> = {
  model: { 7: "graph", 20: "training", 25: "function" },
  training: { 1: "graph", 2: "graph" },
  function: { 7: "node" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: {},
};
const TENSOR_NAME = 8;
const TENSOR_EXTERNAL_DATA = 13;

/** Loops and branches nest graphs, but only a few levels deep. */
const MAX_DEPTH = 100;
/** For names and paths. Exporters write none of this length. */
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * @param name name of the file in error messages
 * @throws Error with one sentence when the file is not a complete protobuf message.
 */
export function externalTensors(path: string, name: string): ExternalTensor[] {
  const descriptor = openSync(path, "r");
  try {
    const reader = createReader(descriptor, name);
    const found: ExternalTensor[] = [];
    walk(reader, "model", 0, reader.size, found, 0);
    return found;
  } finally {
    closeSync(descriptor);
  }
}

function walk(
  reader: Reader,
  kind: Kind,
  start: number,
  end: number,
  found: ExternalTensor[],
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw reader.fault(start, `messages nested more than ${MAX_DEPTH} levels deep`);
  if (kind === "tensor") found.push(...readTensor(reader, start, end));
  for (const field of reader.fields(start, end)) {
    const child = field.isMessage ? CHILDREN[kind][field.number] : undefined;
    if (child) walk(reader, child, field.start, field.end, found, depth + 1);
  }
}

function readTensor(reader: Reader, start: number, end: number): ExternalTensor[] {
  let tensor = "";
  const locations: string[] = [];
  const numbers: Record<string, number> = {};
  for (const field of reader.fields(start, end)) {
    if (field.number === TENSOR_NAME) tensor = reader.text(field);
    if (field.number !== TENSOR_EXTERNAL_DATA) continue;
    const [key = "", value = ""] = readPair(reader, field);
    // Runtimes differ in which one of several locations they read, so all of them are checked.
    if (key === "location") locations.push(value);
    else if (key === "offset" || key === "length") numbers[key] = Number(value);
  }
  return locations.map((location) => ({
    tensor,
    location,
    offset: numbers.offset ?? 0,
    length: numbers.length,
  }));
}

/** `StringStringEntryProto`: key 1, value 2. */
function readPair(reader: Reader, { start, end }: Field): string[] {
  const pair: string[] = [];
  for (const field of reader.fields(start, end)) {
    if (field.number === 1 || field.number === 2) pair[field.number - 1] = reader.text(field);
  }
  return pair;
}

interface Field {
  number: number;
  /** Whether the value is length-delimited: a message, a text or bytes. */
  isMessage: boolean;
  start: number;
  end: number;
}

interface Reader {
  readonly size: number;
  /** The fields between two positions. Skips their values. */
  fields(start: number, end: number): Generator<Field, void, undefined>;
  text(field: Field): string;
  fault(position: number, found: string): Error;
}

const WINDOW_BYTES = 64 * 1024;

function createReader(descriptor: number, name: string): Reader {
  const { size } = fstatSync(descriptor);
  const window = Buffer.alloc(WINDOW_BYTES);
  let windowStart = 0;
  let windowLength = 0;

  const fault = (position: number, found: string) =>
    new Error(
      `${name}: not a complete ONNX file: expected a protobuf field at byte ${position}, found ${found}.`,
    );

  function byteAt(position: number): number {
    if (position < windowStart || position >= windowStart + windowLength) {
      windowStart = position;
      windowLength = readSync(descriptor, window, 0, WINDOW_BYTES, position);
      if (windowLength === 0) throw fault(position, "the end of the file");
    }
    return window[position - windowStart] as number;
  }

  /** At most ten bytes. A value above 2^53 is inexact, but as a length it exceeds the file and is rejected. */
  function varint(position: number): { value: number; end: number } {
    let value = 0;
    for (let at = 0; at < 10; at++) {
      const byte = byteAt(position + at);
      value += (byte & 0x7f) * 2 ** (7 * at);
      if (byte < 0x80) return { value, end: position + at + 1 };
    }
    throw fault(position, "a number of more than ten bytes");
  }

  function* fields(start: number, end: number): Generator<Field, void, undefined> {
    let position = start;
    while (position < end) {
      const { value: tag, end: afterTag } = varint(position);
      const wire = tag % 8;
      let field: Field;
      if (wire === 2) {
        const length = varint(afterTag);
        field = {
          number: Math.floor(tag / 8),
          isMessage: true,
          start: length.end,
          end: length.end + length.value,
        };
      } else {
        const width =
          wire === 1 ? 8 : wire === 5 ? 4 : wire === 0 ? varint(afterTag).end - afterTag : undefined;
        if (width === undefined) throw fault(position, `wire type ${wire}`);
        field = { number: Math.floor(tag / 8), isMessage: false, start: afterTag, end: afterTag + width };
      }
      if (field.end > end)
        throw fault(position, `a field that ends at byte ${field.end}, after the end ${end}`);
      yield field;
      position = field.end;
    }
  }

  return {
    size,
    fields,
    text({ start, end }) {
      if (end - start > MAX_TEXT_BYTES) throw fault(start, `a text of ${end - start} bytes`);
      const bytes = Buffer.alloc(end - start);
      readSync(descriptor, bytes, 0, bytes.length, start);
      return bytes.toString("utf8");
    },
    fault,
  };
}
