/** Joins lanes, edits and commands for one open video. The page passes what only it has: its run and its stage. */
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { MaskletSession, SessionFacts } from "../../typescript/index.js";
import type { PanelModel, PanelObject } from "../objects/panel-model.js";
import type { Command } from "../timeline/command.js";
import { timelineCommands } from "../timeline/commands.js";
import { FLAG, type FrameRange } from "../timeline/lane-states.js";
import { createLaneStore, type LaneStore } from "../timeline/lane-store.js";
import type { RunningRange, TimelineModel } from "../timeline/model.js";
import { editCommands } from "./commands.js";
import type { EditContext, EditedObject, Notice } from "./edit-context.js";
import { openHistory } from "./open-history.js";
import { createPageEdits } from "./page-edits.js";
import { createServerEdits } from "./server-edits.js";
import { type AffectedRange, NO_STALE_FRAMES, removeComputed, staleOf } from "./stale-frames.js";
import { createViewStore, type ViewStore } from "./view-state.js";

export interface ObjectToolsParts {
  client: MaskletSession;
  timesUs: ArrayLike<number>;
  frame: Signal<number>;
  selected: Signal<ReadonlySet<number>>;
  running: ReadonlySignal<RunningRange | undefined>;
  /** The colour of the palette. */
  colourOf(objectId: number): string;
  notify(notice: Notice): void;
  pauseRun(): Promise<boolean>;
  resumeRun(): void;
  /** Runs a propagation with the scope `affected`. */
  recompute(): Promise<void>;
  /** Reads stored results again. Each frame that arrives is passed to `lanes.addFrame`. */
  readStored(ranges: readonly FrameRange[]): Promise<void>;
}

export interface ObjectTools {
  timeline: TimelineModel;
  panel: PanelModel;
  lanes: LaneStore;
  views: ViewStore;
  context: EditContext;
  commands: readonly Command[];
  /** After each answer to `get_session`. */
  setFacts(facts: SessionFacts): void;
  /** A propagation has computed a frame. */
  frameComputed(frame: number): void;
}

export function createObjectTools(parts: ObjectToolsParts): ObjectTools {
  const { client, frame, selected, notify } = parts;
  const lanes = createLaneStore(client.facts.num_frames);
  const views = createViewStore();
  const objects = signal<readonly EditedObject[]>([]);
  const stale = signal(NO_STALE_FRAMES);
  const range = signal<FrameRange | undefined>(undefined);
  const editing = signal<number | undefined>(undefined);

  function setFacts(facts: SessionFacts): void {
    lanes.setFacts(facts);
    objects.value = facts.objects.map(({ obj_id: id, name, concept }) => ({ id, name, concept }));
    history.setServerState({ canUndo: facts.can_undo, canRedo: facts.can_redo });
  }

  async function refresh(affected: readonly AffectedRange[]): Promise<void> {
    setFacts(await client.get());
    const ranges = affected.map(({ first_frame_index: first, last_frame_index: last }) => ({ first, last }));
    if (ranges.length > 0) await parts.readStored(ranges);
  }

  const history = openHistory({ client, refresh });
  const context: EditContext = {
    client,
    frame,
    selected,
    range,
    objects,
    views: views.views,
    history,
    stale,
    statesOf: lanes.statesOf,
    notify,
    pauseRun: parts.pauseRun,
    resumeRun: parts.resumeRun,
    refresh,
  };
  const server = createServerEdits(context);
  const page = createPageEdits(context);

  const shown = computed(() =>
    lanes.ids.value.flatMap((id): PanelObject[] => {
      const states = lanes.statesOf(id);
      if (!states) return [];
      const facts = objects.value.find((one) => one.id === id);
      const view = views.views.value.get(id);
      return [
        {
          id,
          name: facts?.name ?? (facts?.concept ? `${facts.concept} ${id}` : `Object ${id}`),
          colour: view?.colour ?? parts.colourOf(id),
          hidden: view?.hidden === true,
          states,
          stale: staleOf(stale.value, id),
          concept: facts?.concept ?? null,
          group: view?.group,
        },
      ];
    }),
  );
  const timeline: TimelineModel = {
    numFrames: client.facts.num_frames,
    timesUs: parts.timesUs,
    frame,
    selected,
    lanes: shown,
    version: lanes.version,
    range,
    running: parts.running,
    suspectReason: lanes.suspectReason,
  };
  const here = () => ({ first: frame.value, last: frame.value });
  const panel: PanelModel = {
    objects: shown,
    selected,
    frame,
    version: lanes.version,
    editing,
    rename: (id, name) => void server.rename(id, name),
    setColour: page.setColour,
    setGroup: page.setGroup,
    toggleHidden: page.toggleHidden,
    solo: page.solo,
    remove: (ids) => void server.remove(ids),
    toggleLock(id) {
      const isLocked = ((lanes.statesOf(id)?.flags[frame.value] ?? 0) & FLAG.locked) !== 0;
      void (isLocked ? server.unlock([id], here()) : server.lock([id], here()));
    },
    removeConcept: (concept) => void server.removeConcept(concept),
  };
  const commands = [
    ...timelineCommands(timeline, notify),
    ...editCommands({
      context,
      server,
      page,
      recompute: parts.recompute,
      editName: (id) => {
        editing.value = id;
      },
    }),
  ];
  return {
    timeline,
    panel,
    lanes,
    views,
    context,
    commands,
    setFacts,
    frameComputed(computedFrame) {
      stale.value = removeComputed(stale.value, { first: computedFrame, last: computedFrame });
    },
  };
}
