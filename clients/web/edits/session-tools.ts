/** Timeline, object panel and commands of an open session of the page. */
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { SessionFacts } from "../../typescript/index.js";
import type { PanelModel, PanelObject } from "../objects/panel-model.js";
import type { Command } from "../timeline/command.js";
import { timelineCommands } from "../timeline/commands.js";
import { FLAG, type FrameRange, type LaneStates } from "../timeline/lane-states.js";
import type { RunningRange, TimelineModel } from "../timeline/model.js";
import { editCommands } from "./commands.js";
import type { EditClient, EditContext, Notice } from "./edit-context.js";
import type { History } from "./history.js";
import { createPageEdits } from "./page-edits.js";
import { createServerEdits } from "./server-edits.js";
import { type StaleFrames, staleOf } from "./stale-frames.js";
import type { ObjectViews } from "./view-state.js";

/** The part of an open session that is used here. */
export interface EditableSession {
  readonly frameTimesUs: ArrayLike<number>;
  readonly frame: Signal<number>;
  readonly selected: Signal<ReadonlySet<number>>;
  readonly range: Signal<FrameRange | undefined>;
  readonly objects: ReadonlySignal<readonly SessionObject[]>;
  readonly facts: ReadonlySignal<Pick<SessionFacts, "concepts">>;
  readonly views: Signal<ObjectViews>;
  readonly stale: Signal<StaleFrames>;
  readonly history: History;
  /** Its methods read the facts of the session again, and with them `stale`. */
  readonly requests: EditClient;
  /** Fetches the stored results that an edit changed, for the lanes and the stage. */
  readStored(): Promise<void>;
  readonly results: {
    readonly version: ReadonlySignal<number>;
    readonly states: {
      of(objectId: number): LaneStates;
      suspectReason(objectId: number, frame: number): string | undefined;
    };
  };
}

export interface SessionObject {
  readonly id: number;
  readonly name: string;
  readonly isNamed: boolean;
  readonly colour: string;
  readonly hidden: boolean;
  readonly group: string | undefined;
  readonly concept: string | undefined;
}

export interface SessionToolsParts {
  session: EditableSession;
  running: ReadonlySignal<RunningRange | undefined>;
  notify(notice: Notice): void;
  /** Resolves when the run has ended; to false when none was running. */
  pauseRun(): Promise<boolean>;
  resumeRun(): void;
  /** Runs a propagation with the scope `affected`. */
  recompute(): Promise<void>;
}

/** The concept of exemplars without a phrase. */
const EXEMPLARS = "visual";

export interface SessionTools {
  timeline: TimelineModel;
  panel: PanelModel;
  commands: readonly Command[];
}

export function createSessionTools(parts: SessionToolsParts): SessionTools {
  const { session } = parts;
  const { frame, selected, range, history, stale, results } = session;
  const editing = signal<number | undefined>(undefined);
  const context: EditContext = {
    client: session.requests,
    frame,
    selected,
    range,
    objects: computed(() =>
      session.objects.value.map(({ id, name, isNamed, concept }) => ({
        id,
        name: isNamed ? name : null,
        concept: concept ?? null,
      })),
    ),
    views: session.views,
    history,
    stale,
    statesOf: (id) =>
      session.objects.value.some((object) => object.id === id) ? results.states.of(id) : undefined,
    notify: parts.notify,
    pauseRun: parts.pauseRun,
    resumeRun: parts.resumeRun,
    refresh: session.readStored,
  };
  const server = createServerEdits(context);
  const page = createPageEdits(context);
  const objects = computed(() =>
    session.objects.value.map(
      ({ id, name, colour, hidden, group, concept }): PanelObject => ({
        ...{ id, name, colour, hidden, group },
        concept: concept ?? null,
        states: results.states.of(id),
        stale: staleOf(stale.value, id),
      }),
    ),
  );
  const timeline: TimelineModel = {
    numFrames: session.frameTimesUs.length,
    timesUs: session.frameTimesUs,
    ...{ frame, selected, range },
    lanes: objects,
    version: results.version,
    running: parts.running,
    suspectReason: results.states.suspectReason,
  };
  const panel: PanelModel = {
    ...{ objects, selected, frame, editing },
    concepts: computed(() => session.facts.value.concepts.filter((concept) => concept !== EXEMPLARS)),
    version: results.version,
    rename: (id, name) => void server.rename(id, name),
    setColour: page.setColour,
    setGroup: page.setGroup,
    toggleHidden: page.toggleHidden,
    solo: page.solo,
    remove: (ids) => void server.remove(ids),
    toggleLock(id) {
      const here = { first: frame.value, last: frame.value };
      const isLocked = ((results.states.of(id).flags[frame.value] ?? 0) & FLAG.locked) !== 0;
      void (isLocked ? server.unlock([id], here) : server.lock([id], here));
    },
    removeConcept: (concept) => void server.removeConcept(concept),
  };
  const commands = [
    ...timelineCommands(timeline, parts.notify),
    ...editCommands({
      ...{ context, server, page },
      recompute: parts.recompute,
      editName: (id) => {
        editing.value = id;
      },
    }),
  ];
  return { timeline, panel, commands };
}
