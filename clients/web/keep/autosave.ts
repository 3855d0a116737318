/**
 * Saves a session on the server after its changes, so that it survives a server that is killed. One file per session: the
 * earlier one is deleted once the new one is complete.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import { MaskletError } from "../../typescript/errors.js";
import { messageOf } from "../app/message-of.js";

export type SaveState =
  | { kind: "saved" }
  | { kind: "changed" }
  | { kind: "saving" }
  /** The changes are in the session on the server, but not in a file. */
  | { kind: "failed"; message: string; code: string | undefined };

export interface AutosaveParts {
  save(): Promise<{ saved_id: string }>;
  /** Deletes a saved file. */
  remove(savedId: string): Promise<void>;
  onSaved(savedId: string): void;
  /** The file of an earlier page. */
  savedId?: string | undefined;
}

export interface Autosave {
  readonly state: ReadonlySignal<SaveState>;
  /** The session has changed. */
  changed(): void;
  /** Saves at once. Resolves to the id of the file. */
  saveNow(): Promise<string>;
  stop(): void;
}

/** A file is written this long after the last change, but at most `MAX_WAIT_MS` after the first one. */
export const QUIET_MS = 2000;
export const MAX_WAIT_MS = 20_000;
const RETRY_MS = 10_000;

export function createAutosave({ save, remove, onSaved, ...given }: AutosaveParts): Autosave {
  const state = signal<SaveState>({ kind: "saved" });
  let savedId = given.savedId;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let firstChangeMs: number | undefined;
  let running: Promise<string> | undefined;
  let isStopped = false;

  function plan(delayMs: number): void {
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(() => void saveNow().catch(() => {}), delayMs);
  }

  async function write(): Promise<string> {
    clearTimeout(timer);
    firstChangeMs = undefined;
    state.value = { kind: "saving" };
    try {
      const { saved_id } = await save();
      const earlier = savedId;
      savedId = saved_id;
      onSaved(saved_id);
      if (earlier !== undefined) await remove(earlier).catch(() => {});
      if (firstChangeMs === undefined) state.value = { kind: "saved" };
      else later();
      return saved_id;
    } catch (error) {
      state.value = {
        kind: "failed",
        message: messageOf(error),
        code: error instanceof MaskletError ? error.code : undefined,
      };
      const isLasting = error instanceof MaskletError && !error.retryable && error.code !== "disk_full";
      // `wrong_session_kind` and the like fail again; room on a disk returns.
      if (!isLasting) plan((error instanceof MaskletError && error.retryAfterMs) || RETRY_MS);
      throw error;
    }
  }

  function later(): void {
    state.value = { kind: "changed" };
    plan(Math.max(0, Math.min(QUIET_MS, (firstChangeMs ?? Date.now()) + MAX_WAIT_MS - Date.now())));
  }

  async function saveNow(): Promise<string> {
    running ??= write().finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    state,
    changed() {
      firstChangeMs ??= Date.now();
      if (!running) later();
    },
    saveNow,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
