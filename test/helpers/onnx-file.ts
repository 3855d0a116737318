/** Edits the protobuf of real ONNX files, so that tests can create the faults of exporters. */

/** A protobuf field. `value` is the content of a length-delimited field, or the raw bytes of another field. */
interface Field {
  number: number;
  wire: number;
  value: Buffer;
}

const MODEL_GRAPH = 7;
const GRAPH = { initializer: 5, input: 11, output: 12 } as const;
const VALUE = { name: 1, type: 2 } as const;
const TENSOR = { dims: 1, dataType: 2, name: 8, rawData: 9, externalData: 13, dataLocation: 14 } as const;

/** `TensorProto.DataType` */
export const ELEMENT = { float32: 1, int32: 6, int64: 7 } as const;

/** The same graph with another element type declared for an input. */
export function withInputType(bytes: Buffer, input: string, element: number): Buffer {
  return editValue(bytes, GRAPH.input, input, (tensorType) =>
    replace(tensorType, 1, () => varintField(1, element)),
  );
}

/** The same graph with another constant size declared on one axis of an input. */
export function withInputSize(bytes: Buffer, input: string, axis: number, size: number): Buffer {
  return editValue(bytes, GRAPH.input, input, (tensorType) =>
    replace(tensorType, 2, (shape) => {
      let at = 0;
      const dimensions = replace(parse(shape.value), 1, (dimension) =>
        at++ === axis ? messageField(1, [varintField(1, size)]) : dimension,
      );
      return messageField(2, dimensions);
    }),
  );
}

/** The same graph with a float32 constant of shape `dims` in place of an input, as exporters that trace the input write it. */
export function withoutInput(bytes: Buffer, input: string, dims: number[], values: number[]): Buffer {
  return editGraph(bytes, (graph) => [
    ...graph.filter((field) => !(field.number === GRAPH.input && nameOf(field, VALUE.name) === input)),
    messageField(GRAPH.initializer, [
      ...dims.map((dim) => varintField(TENSOR.dims, dim)),
      varintField(TENSOR.dataType, ELEMENT.float32),
      textField(TENSOR.name, input),
      bytesField(TENSOR.rawData, Buffer.from(Float32Array.from(values).buffer)),
    ]),
  ]);
}

export interface Externalised {
  graph: Buffer;
  /** Content of the file at `location`. */
  data: Buffer;
  /** Names of the tensors in that file. */
  tensors: string[];
}

/** The same graph with the weights of at least `minBytes` in another file, as exporters write it. */
export function withExternalData(
  bytes: Buffer,
  location: string,
  { minBytes = 1024, claimedLength }: { minBytes?: number; claimedLength?: number } = {},
): Externalised {
  const parts: Buffer[] = [];
  const tensors: string[] = [];
  let offset = 0;
  const graph = editGraph(bytes, (fields) =>
    replace(fields, GRAPH.initializer, (field) => {
      const tensor = parse(field.value);
      const raw = tensor.find(({ number }) => number === TENSOR.rawData)?.value;
      if (!raw || raw.length < minBytes) return field;
      const entry = (key: string, value: string | number) =>
        messageField(TENSOR.externalData, [textField(1, key), textField(2, String(value))]);
      const moved = [
        ...tensor.filter(({ number }) => number !== TENSOR.rawData),
        entry("location", location),
        entry("offset", offset),
        entry("length", claimedLength ?? raw.length),
        varintField(TENSOR.dataLocation, 1),
      ];
      parts.push(raw);
      tensors.push(nameOf(field, TENSOR.name));
      offset += raw.length;
      return messageField(GRAPH.initializer, moved);
    }),
  );
  return { graph, data: Buffer.concat(parts), tensors };
}

function editGraph(bytes: Buffer, edit: (fields: Field[]) => Field[]): Buffer {
  return serialise(
    replace(parse(bytes), MODEL_GRAPH, ({ value }) => messageField(MODEL_GRAPH, edit(parse(value)))),
  );
}

function editValue(
  bytes: Buffer,
  kind: number,
  name: string,
  edit: (tensorType: Field[]) => Field[],
): Buffer {
  let edits = 0;
  const edited = editGraph(bytes, (graph) =>
    replace(graph, kind, (field) => {
      if (nameOf(field, VALUE.name) !== name) return field;
      edits++;
      const value = replace(parse(field.value), VALUE.type, (type) =>
        messageField(
          VALUE.type,
          replace(parse(type.value), 1, (tensor) => messageField(1, edit(parse(tensor.value)))),
        ),
      );
      return messageField(kind, value);
    }),
  );
  if (edits !== 1) throw new Error(`the graph has ${edits} values "${name}"`);
  return edited;
}

function replace(fields: Field[], number: number, change: (field: Field) => Field): Field[] {
  return fields.map((field) => (field.number === number ? change(field) : field));
}

function nameOf({ value }: Field, number: number): string {
  return (
    parse(value)
      .find((field) => field.number === number)
      ?.value.toString() ?? ""
  );
}

function parse(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    const start = at;
    let length = wire === 1 ? 8 : 4;
    let from = start;
    if (wire === 0) {
      varint();
      length = at - start;
    } else if (wire === 2) {
      length = varint();
      from = at;
    }
    at = from + length;
    fields.push({ number: tag >>> 3, wire, value: bytes.subarray(from, at) });
  }
  return fields;
}

function serialise(fields: Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ number, wire, value }) => [
      varintBytes(number * 8 + wire),
      ...(wire === 2 ? [varintBytes(value.length)] : []),
      value,
    ]),
  );
}

const messageField = (number: number, fields: Field[]) => bytesField(number, serialise(fields));
const textField = (number: number, text: string) => bytesField(number, Buffer.from(text));
const bytesField = (number: number, value: Buffer): Field => ({ number, wire: 2, value });
const varintField = (number: number, value: number): Field => ({
  number,
  wire: 0,
  value: varintBytes(value),
});

function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}
