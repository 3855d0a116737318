/**
 * The concepts of a session. A concept is a phrase, exemplar boxes, or both; its text features are computed once.
 *
 * Exemplar boxes apply to the frame on which they were drawn. On other frames, a concept with a phrase is detected by its
 * phrase, and one without by the boxes of its own tracked objects.
 */
import type { BoxCxcywh } from "./geometry.js";
import { float32, floats, int32, type RunGraph } from "./graph.js";

/** Token ids and attention mask of a phrase, both int32 [L]. */
export type Tokenize = (phrase: string) => { ids: Int32Array; mask: Int32Array };

/** 1: detect objects like this; 0: ignore objects like this. */
export type ExemplarLabel = 0 | 1;

export interface Exemplar {
  box: BoxCxcywh;
  label: ExemplarLabel;
}

/** Never changed in place: new exemplars make a new concept with the same key. */
export interface Concept {
  /** Never reused within a session. */
  readonly key: number;
  /** null for a concept that consists of exemplars only. */
  readonly phrase: string | null;
  /** Its instances are not objects: a detection of another concept that shows one of them is dropped. */
  readonly negative?: true;
  /** float32 [L, D] */
  readonly text: Float32Array;
  /** int32 [L], 1 on tokens */
  readonly textMask: Int32Array;
  /** Boxes drawn by the user, by frame index; the frame that was prompted first comes first. */
  readonly exemplars: ReadonlyMap<number, readonly Exemplar[]>;
}

export interface ConceptSource {
  run: RunGraph;
  tokenize: Tokenize;
  /** Tokens per phrase. */
  L: number;
  /** Width of a text feature. */
  D: number;
  /** The phrase of concepts without one; null when the model was trained without text for exemplars. */
  exemplarPhrase: string | null;
}

export interface ConceptRequest {
  phrase: string | null;
  exemplars: readonly Exemplar[];
  frameIndex: number;
  /** Default: false. */
  negative?: boolean;
}

/** The concepts of a session as plain data. */
export interface ConceptsSnapshot {
  concepts: readonly Concept[];
  nextKey: number;
}

/** The concepts of one session. */
export interface ConceptList {
  readonly all: readonly Concept[];
  /** Whether a phrase is one of the concepts; letter case and spacing are ignored. */
  has(phrase: string): boolean;
  /**
   * Adds a concept. A known phrase is the same concept, and becomes negative or positive as requested; new exemplars
   * replace its exemplars of that frame. Exemplars without a phrase are always a new concept.
   * @throws the error of the tokenizer on a phrase that it cannot encode; no concept is added
   */
  add(request: ConceptRequest): Promise<Concept>;
  /** Replaces all concepts by a new one. @throws as `add`; the concepts then stay as they are */
  replaceAll(request: ConceptRequest): Promise<Concept>;
  /** Deletes concepts by their keys. */
  remove(keys: ReadonlySet<number>): void;
  clear(): void;
  /** Shares concepts and their text features with the list, which changes neither in place. */
  snapshot(): ConceptsSnapshot;
  /** Replaces all concepts. */
  restore(snapshot: ConceptsSnapshot): void;
}

/**
 * Frames per concept whose exemplars are kept. Beyond it, the exemplars of the frame that was prompted longest ago are
 * dropped. Higher: detection uses them again when it returns to an old frame, at the cost of memory.
 */
const MAX_EXEMPLAR_FRAMES = 256;

export function createConceptList(source: ConceptSource): ConceptList {
  let concepts: readonly Concept[] = [];
  let nextKey = 0;

  async function create(phrase: string | null, negative = false): Promise<Concept> {
    const features = await encodePhrase(source, phrase ?? source.exemplarPhrase);
    return { key: nextKey++, phrase, ...(negative && { negative }), ...features, exemplars: new Map() };
  }

  function withExemplars(concept: Concept, { exemplars, frameIndex }: ConceptRequest): Concept {
    if (exemplars.length === 0) return concept;
    const others = [...concept.exemplars].filter(([index]) => index !== frameIndex);
    const kept = [...others, [frameIndex, exemplars] as const].slice(-MAX_EXEMPLAR_FRAMES);
    return { ...concept, exemplars: new Map(kept) };
  }

  function labelled(concept: Concept, { negative = false }: ConceptRequest): Concept {
    if (negative === (concept.negative ?? false)) return concept;
    const { negative: _, ...positive } = concept;
    return negative ? { ...positive, negative } : positive;
  }

  return {
    get all() {
      return concepts;
    },
    has(phrase) {
      const normalised = normalisePhrase(phrase);
      return concepts.some((concept) => concept.phrase === normalised);
    },
    async add(request) {
      const phrase = request.phrase === null ? null : normalisePhrase(request.phrase);
      const known = concepts.find((concept) => phrase !== null && concept.phrase === phrase);
      if (known) {
        const updated = withExemplars(labelled(known, request), request);
        concepts = concepts.map((concept) => (concept === known ? updated : concept));
        return updated;
      }
      const concept = withExemplars(await create(phrase, request.negative), request);
      concepts = [...concepts, concept];
      return concept;
    },
    async replaceAll(request) {
      const phrase = request.phrase === null ? null : normalisePhrase(request.phrase);
      const concept = withExemplars(await create(phrase), request);
      concepts = [concept];
      return concept;
    },
    remove(keys) {
      concepts = concepts.filter(({ key }) => !keys.has(key));
    },
    clear() {
      concepts = [];
    },
    snapshot: () => ({ concepts, nextKey }),
    restore(snapshot) {
      ({ concepts, nextKey } = snapshot);
    },
  };
}

/** The name of a concept in answers: its phrase, or `visual` for exemplars only. */
export function conceptName({ phrase }: Pick<Concept, "phrase">): string {
  return phrase ?? "visual";
}

/** Whether a concept has a name, as {@link conceptName} returns it; letter case and spacing are ignored. */
export function isConcept(concept: Pick<Concept, "phrase">, name: string): boolean {
  return conceptName(concept) === normalisePhrase(name);
}

/** Removes differences of case and spacing: "  Red   Circle " and "red circle" are one concept. */
function normalisePhrase(phrase: string): string {
  return phrase.trim().replace(/\s+/g, " ").toLowerCase();
}

/** Computes the text features of a phrase; null: no text, all zero. */
async function encodePhrase(
  { run, tokenize, L, D }: ConceptSource,
  phrase: string | null,
): Promise<Pick<Concept, "text" | "textMask">> {
  if (phrase === null) return { text: new Float32Array(L * D), textMask: new Int32Array(L) };
  const { ids, mask } = tokenize(phrase);
  const outputs = await run("text", { input_ids: int32([1, L], ids), attention_mask: int32([1, L], mask) }, [
    "text",
  ]);
  return { text: floats(outputs, "text"), textMask: mask };
}

/** One concept of a `detect` call, with the exemplars for the frame. */
export interface ConceptQuery {
  concept: Concept;
  exemplars: readonly Exemplar[];
}

/** Label of a missing exemplar box. */
const PADDING = -10;

/**
 * The inputs of `detect` for several concepts at once: text float32 [C, L, D], text_mask int32 [C, L],
 * boxes float32 [C, E, 4] cxcywh, box_labels int32 [C, E]. E is at least 1; missing exemplars are labelled -10.
 */
export function packQueries(queries: readonly ConceptQuery[], L: number, D: number) {
  const C = queries.length;
  const E = Math.max(1, ...queries.map(({ exemplars }) => exemplars.length));
  const text = new Float32Array(C * L * D);
  const textMask = new Int32Array(C * L);
  const boxes = new Float32Array(C * E * 4);
  const labels = new Int32Array(C * E).fill(PADDING);
  queries.forEach(({ concept, exemplars }, row) => {
    text.set(concept.text, row * L * D);
    textMask.set(concept.textMask, row * L);
    exemplars.forEach(({ box, label }, slot) => {
      boxes.set(box, (row * E + slot) * 4);
      labels[row * E + slot] = label;
    });
  });
  return {
    text: float32([C, L, D], text),
    text_mask: int32([C, L], textMask),
    boxes: float32([C, E, 4], boxes),
    box_labels: int32([C, E], labels),
  };
}
