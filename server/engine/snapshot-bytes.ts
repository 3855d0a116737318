/**
 * A session's snapshot as bytes, for another inference process and for files: a JSON header, then all tensors as raw
 * little-endian values. Numbers and tensors keep every bit.
 *
 * | Bytes | Content |
 * | --- | --- |
 * | 4 | `MSKS` |
 * | 4 | version, uint32 |
 * | 4 | length of the header in bytes, uint32 |
 * | … | header: UTF-8 JSON, padded with spaces so that the tensors start at a multiple of 8 |
 * | … | tensors, each at a multiple of 8 |
 *
 * In the header, JSON values stand for themselves. What JSON lacks is an object with the only key `$`, see {@link Tagged}.
 */

/** The pack that a snapshot belongs to: it fits no other. */
export interface SnapshotPack {
  id: string;
  hash: string;
}

const MAGIC = "MSKS";
const VERSION = 1;
const PREFIX_BYTES = 12;
const ALIGNMENT = 8;

const TENSOR_TYPES = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;
type TensorType = keyof typeof TENSOR_TYPES;
type TypedArray = InstanceType<(typeof TENSOR_TYPES)[TensorType]>;

interface TensorPlace {
  type: TensorType;
  /** Byte from the start of the tensors. */
  offset: number;
  /** Values. */
  length: number;
}

/** Values that JSON lacks. `object` holds the entries of an object that has a key `$` itself. */
type Tagged =
  | ["tensor", index: number]
  | ["number", "NaN" | "Infinity" | "-Infinity" | "-0"]
  | ["undefined"]
  | ["map", [unknown, unknown][]]
  | ["set", unknown[]]
  | ["object", [string, unknown][]];

interface Header {
  pack: SnapshotPack;
  tensors: TensorPlace[];
  state: unknown;
}

const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * @param state plain data: null, booleans, numbers, strings, arrays, objects, maps, sets, typed arrays
 * @throws TypeError for anything else
 */
export function encodeSnapshot(state: unknown, pack: SnapshotPack): Uint8Array {
  const tensors: { place: TensorPlace; data: TypedArray }[] = [];
  /** Tensors that several parts of the state share are written once. */
  const known = new Map<TypedArray, number>();
  let offset = 0;

  function indexOf(data: TypedArray): number {
    const found = known.get(data);
    if (found !== undefined) return found;
    const type = typeOf(data);
    tensors.push({ place: { type, offset, length: data.length }, data });
    known.set(data, tensors.length - 1);
    offset += aligned(data.byteLength);
    return tensors.length - 1;
  }

  const encoded = encode(state, indexOf);
  const { id, hash } = pack;
  const places = tensors.map(({ place }) => place);
  const header = Buffer.from(
    JSON.stringify({ pack: { id, hash }, tensors: places, state: encoded } satisfies Header),
  );
  const start = aligned(PREFIX_BYTES + header.length);
  const bytes = new Uint8Array(start + offset);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from(MAGIC), 0);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, start - PREFIX_BYTES, true);
  bytes.set(header, PREFIX_BYTES);
  bytes.fill(0x20, PREFIX_BYTES + header.length, start);
  for (const { place, data } of tensors)
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + place.offset);
  return bytes;
}

/**
 * The state that was encoded. Its tensors own their memory.
 * @throws RangeError with one sentence for bytes that are no snapshot, of another version, or of another pack
 */
export function decodeSnapshot(bytes: Uint8Array, pack: SnapshotPack): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < PREFIX_BYTES || Buffer.from(bytes.subarray(0, 4)).toString("latin1") !== MAGIC)
    throw new RangeError("These bytes are not a snapshot of a session.");
  const version = view.getUint32(4, true);
  if (version !== VERSION)
    throw new RangeError(`The snapshot has version ${version}; this program reads version ${VERSION}.`);
  const start = PREFIX_BYTES + view.getUint32(8, true);
  if (start > bytes.length) throw tooShort(bytes.length, start);
  const header = JSON.parse(Buffer.from(bytes.subarray(PREFIX_BYTES, start)).toString("utf8")) as Header;
  if (header.pack.hash !== pack.hash) {
    throw new RangeError(
      `The snapshot belongs to the model pack "${header.pack.id}" (manifest ${header.pack.hash}), not to "${pack.id}" ` +
        `(manifest ${pack.hash}).`,
    );
  }
  const tensors = header.tensors.map(({ type, offset, length }) => {
    const Type = TENSOR_TYPES[type];
    const from = start + offset;
    const end = from + length * (Type?.BYTES_PER_ELEMENT ?? Number.NaN);
    if (!(end >= from))
      throw new RangeError(`The snapshot has a tensor of type ${type} and length ${length}.`);
    if (end > bytes.length) throw tooShort(bytes.length, end);
    // A copy also of a Buffer, whose own `slice` is a view.
    return new Type(Uint8Array.prototype.slice.call(bytes, from, end).buffer);
  });
  return decode(header.state, tensors);
}

function tooShort(found: number, expected: number): RangeError {
  return new RangeError(`The snapshot is cut short: expected at least ${expected} bytes, found ${found}.`);
}

function typeOf(data: ArrayBufferView): TensorType {
  for (const [type, Type] of Object.entries(TENSOR_TYPES)) {
    if (data.constructor === Type) return type as TensorType;
  }
  throw new TypeError(`A snapshot cannot contain a ${data.constructor.name}.`);
}

const tag = (tagged: Tagged) => ({ $: tagged });

function encode(value: unknown, indexOf: (data: TypedArray) => number): unknown {
  const inner = (part: unknown) => encode(part, indexOf);
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "undefined":
      return tag(["undefined"]);
    case "number":
      if (Object.is(value, -0)) return tag(["number", "-0"]);
      return Number.isFinite(value) ? value : tag(["number", String(value) as "NaN"]);
    case "object":
      break;
    default:
      throw new TypeError(`A snapshot cannot contain a ${typeof value}.`);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(inner);
  if (ArrayBuffer.isView(value)) return tag(["tensor", indexOf(value as TypedArray)]);
  if (value instanceof Map)
    return tag(["map", [...value].map(([key, item]): [unknown, unknown] => [inner(key), inner(item)])]);
  if (value instanceof Set) return tag(["set", [...value].map(inner)]);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError(`A snapshot cannot contain a ${value.constructor.name}.`);
  const entries = Object.entries(value).map(([key, item]) => [key, inner(item)] as [string, unknown]);
  return "$" in value ? tag(["object", entries]) : Object.fromEntries(entries);
}

function decode(value: unknown, tensors: readonly TypedArray[]): unknown {
  const inner = (part: unknown) => decode(part, tensors);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inner);
  if (!("$" in value))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]));
  const tagged = value.$ as Tagged;
  switch (tagged[0]) {
    case "tensor": {
      const tensor = tensors[tagged[1]];
      if (!tensor) throw new RangeError(`The snapshot has no tensor ${tagged[1]}.`);
      return tensor;
    }
    case "number":
      return Number(tagged[1]);
    case "undefined":
      return undefined;
    case "map":
      return new Map(tagged[1].map(([key, item]) => [inner(key), inner(item)]));
    case "set":
      return new Set(tagged[1].map(inner));
    case "object":
      return Object.fromEntries(tagged[1].map(([key, item]) => [key, inner(item)]));
    default:
      throw new RangeError(`The snapshot contains an unknown value: ${JSON.stringify(tagged)}.`);
  }
}
