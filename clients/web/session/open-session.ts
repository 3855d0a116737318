/** The state of one open video. */
import { computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { MaskletSession, PropagationFields, SessionFacts, VideoFacts } from "../../typescript/index.js";
import { createHistory, type History } from "../edits/history.js";
import { removeComputed, type StaleFrames, staleFramesOf } from "../edits/stale-frames.js";
import { createViewStore, type ObjectViews } from "../edits/view-state.js";
import { frameResultOf } from "../results/frame-result.js";
import { createResultStore, type ResultStore } from "../results/result-store.js";
import type { FrameRange } from "../timeline/lane-states.js";
import type { FrameSource } from "../video/frame-source.js";
import { type Comparison, createComparison } from "./comparison.js";
import { createComputedFrames } from "./computed-frames.js";
import { type ObjectFacts, objectsOfSession, toRange } from "./objects.js";
import { addMark, type PromptMark } from "./prompts.js";
import { createRequests, type SessionRequests } from "./requests.js";
import { createRun, type Run, type RunState } from "./run.js";

export interface OpenSession {
  readonly id: string;
  readonly name: Signal<string>;
  readonly client: MaskletSession;
  readonly video: VideoFacts;
  /** The time of every frame in microseconds. */
  readonly frameTimesUs: Float64Array;
  /** The frame that was asked for. */
  readonly frame: Signal<number>;
  /** The frame whose picture and masks are on the stage; it follows `frame` as fast as pictures arrive. */
  readonly shownFrame: Signal<number>;
  readonly selected: Signal<ReadonlySet<number>>;
  readonly objects: ReadonlySignal<readonly ObjectFacts[]>;
  /** Colours, groups and visibility, which the server does not keep. */
  readonly views: Signal<ObjectViews>;
  /** As the server returned it last. */
  readonly facts: ReadonlySignal<SessionFacts>;
  readonly prompts: Signal<readonly PromptMark[]>;
  readonly results: ResultStore;
  readonly stale: Signal<StaleFrames>;
  readonly run: ReadonlySignal<RunState>;
  readonly runner: Run;
  /** Whether runs compute only the selected objects. */
  readonly runsSelected: Signal<boolean>;
  /** Whether the stage follows the run. Moving to another frame ends it. */
  readonly follow: Signal<boolean>;
  readonly isPlaying: Signal<boolean>;
  /** Frames chosen for an edit or an export. */
  readonly range: Signal<FrameRange | undefined>;
  readonly source: FrameSource;
  readonly requests: SessionRequests;
  /** Fetches the stored results that an edit or its undo changed, for the lanes and the stage. */
  readStored(): Promise<void>;
  readonly history: History;
  /** The masks before and after the last correction. */
  readonly comparison: Comparison;
  /** Adds the mark of a prompt that the server has accepted. */
  addMark(mark: PromptMark): void;
  dispose(): void;
}

export interface OpenSessionParts {
  client: MaskletSession;
  name: string;
  facts: SessionFacts;
  frameTimesUs: Float64Array;
  source: FrameSource;
  /** Whether the session was just started, so that it has no results yet. */
  isNew: boolean;
}

/** Marks that undo restores; as many as the server keeps edits. */
const MAX_MARK_STEPS = 100;

export function createOpenSession(parts: OpenSessionParts): OpenSession {
  const { client, source, frameTimesUs } = parts;
  const { num_frames: numFrames } = client.facts;
  const facts = signal(parts.facts);
  const { views } = createViewStore();
  const objects = computed(() => objectsOfSession(facts.value, views.value));
  const selected = signal<ReadonlySet<number>>(new Set());
  const frame = signal(0);
  const follow = signal(false);
  const isPlaying = signal(false);
  const stale = signal<StaleFrames>(staleFramesOf(parts.facts));
  const prompts = signal<readonly PromptMark[]>([]);
  const marksBefore: (readonly PromptMark[])[] = [];
  const marksAfter: (readonly PromptMark[])[] = [];

  const results = createResultStore({
    numFrames,
    mayHaveResults: !parts.isNew,
    hasObject: (id) => facts.peek().obj_ids.includes(id),
    fetchStored: (first, last) => readStored(first, last, { mask_format: "binary" }),
    fetchStates: (first, last, objectIds) =>
      readStored(first, last, { mask_format: "none", ...(objectIds && { obj_ids: [...objectIds] }) }),
  });

  async function* readStored(first: number, last: number, fields: PropagationFields) {
    const stream = client.propagate({
      ...fields,
      scope: "stored",
      propagation_direction: "forward",
      start_frame_index: first,
      max_frame_num_to_track: last - first,
    });
    for await (const message of stream) yield frameResultOf(message);
  }

  const stopShowing = prompts.subscribe((marks) =>
    results.states.setCorrections(marks.filter(({ isCorrection }) => isCorrection)),
  );

  const comparison = createComparison({
    readStored: ({ first, last }, id) => readStored(first, last, { mask_format: "binary", obj_ids: [id] }),
  });

  function showRanges({ objects: listed }: Pick<SessionFacts, "objects">): void {
    for (const { obj_id, locked_frames, absent_frames } of listed)
      results.states.setRanges(obj_id, locked_frames.map(toRange), absent_frames.map(toRange));
  }
  // Of a reopened session.
  showRanges(parts.facts);

  async function refresh(): Promise<void> {
    const next = await client.get();
    showRanges(next);
    const ids = new Set(next.obj_ids);
    // An undo removes the objects that the edit created.
    const gone = facts.peek().obj_ids.filter((id) => !ids.has(id));
    if (gone.length > 0) results.removeObjects(gone);
    if (gone.includes(comparison.objectId.peek() ?? -1)) comparison.end();
    computedFrames.flush();
    stale.value = staleFramesOf(next);
    facts.value = next;
    if ([...selected.peek()].some((id) => !ids.has(id))) {
      selected.value = new Set([...selected.peek()].filter((id) => ids.has(id)));
    }
    history.setServerState({ canUndo: next.can_undo, canRedo: next.can_redo });
  }

  const requests = createRequests(client, {
    refresh,
    onPromptAnswer(result) {
      results.put(result);
      comparison.compare(result);
    },
    onRemoved(ids) {
      results.removeObjects(ids);
      prompts.value = prompts.peek().filter(({ objectId }) => !ids.includes(objectId));
    },
    onResultsChanged(changes) {
      results.invalidate(changes);
      comparison.end();
    },
    onMoved(direction, edit, affected) {
      if (edit !== "add_prompt") return;
      const [from, to] = direction === "undo" ? [marksBefore, marksAfter] : [marksAfter, marksBefore];
      // The page was loaded after the prompt: its object loses its marks on the frames that the prompt affects.
      const isKept = ({ objectId, frame }: PromptMark) =>
        !affected.some(
          (one) => one.obj_id === objectId && one.first_frame_index <= frame && frame <= one.last_frame_index,
        );
      const marks = from.pop() ?? prompts.peek().filter(isKept);
      to.push(prompts.peek());
      prompts.value = marks;
    },
    onReset() {
      results.clear();
      comparison.end();
      prompts.value = [];
      history.clear();
    },
  });
  async function move(direction: "undo" | "redo"): ReturnType<SessionRequests["undo"]> {
    const answer = await requests[direction]();
    // The undo was carried out. The stage requests its own frame again, and shows a lost connection.
    await results.readStates().catch(() => {});
    return answer;
  }
  const history = createHistory({ undo: () => move("undo"), redo: () => move("redo") });
  history.setServerState({ canUndo: parts.facts.can_undo, canRedo: parts.facts.can_redo });

  const computedFrames = createComputedFrames((ranges, objectIds) => {
    stale.value = ranges.reduce((left, range) => removeComputed(left, range, objectIds), stale.peek());
  });
  const runner = createRun({
    client,
    numFrames,
    onFrame(result, objectIds) {
      results.put(result);
      comparison.compare(result);
      computedFrames.add(result.frame, objectIds);
      if (follow.peek()) frame.value = result.frame;
    },
    // Objects of phrases appear during a run.
    onEnd: async () => {
      follow.value = false;
      await refresh();
    },
  });

  // New objects of phrases get their lane while the run goes on.
  let isRefreshing = false;
  const stopWatching = effect(() => {
    void results.version.value;
    // A request of the page reads the facts itself.
    if (isRefreshing || runner.state.peek().kind !== "running") return;
    const shown = results.get(frame.peek());
    const known = new Set(facts.peek().obj_ids);
    if (!shown?.objects.some(({ id }) => !known.has(id))) return;
    isRefreshing = true;
    void refresh()
      .catch(() => {})
      .finally(() => {
        isRefreshing = false;
      });
  });

  // The lanes of a reopened session, in the background. A frame that cannot be read is read when it is shown.
  if (!parts.isNew) void results.readStates().catch(() => {});

  return {
    id: client.id,
    name: signal(parts.name),
    client,
    video: client.facts,
    frameTimesUs,
    frame,
    shownFrame: signal(0),
    selected,
    objects,
    views,
    facts,
    prompts,
    results,
    stale,
    run: runner.state,
    runner,
    runsSelected: signal(false),
    follow,
    isPlaying,
    range: signal<FrameRange | undefined>(undefined),
    source,
    requests,
    readStored: results.readStates,
    history,
    comparison,
    addMark(mark) {
      marksBefore.push(prompts.peek());
      if (marksBefore.length > MAX_MARK_STEPS) marksBefore.shift();
      marksAfter.length = 0;
      prompts.value = addMark(prompts.peek(), mark);
    },
    dispose() {
      stopWatching();
      stopShowing();
      isPlaying.value = false;
      source.dispose();
      results.clear();
    },
  };
}
