/** Keeps the work of one open video: saves it after changes, and remembers in this browser how to open it again. */
import { effect, untracked } from "@preact/signals";
import { dismiss, notify } from "../app/notices.js";
import { linkStatus } from "../connection/link.js";
import { viewState } from "../edits/view-state.js";
import type { OpenSession } from "../session/open-session.js";
import { type Autosave, createAutosave } from "./autosave.js";
import { roles } from "./control.js";
import { putRecord, recordOf } from "./records.js";
import { deleteSaved, mediaOfSession, thumbnailOf } from "./server-sessions.js";

export interface Keeper {
  readonly autosave: Autosave;
  stop(): void;
}

/** The session is restored from its last file, or it is reported that this failed. */
const LOST_CODES: ReadonlySet<string | undefined> = new Set(["session_not_found", "session_saved"]);
const REMEMBER_MS = 400;
/** Older marks are not drawn after a reload. */
const MAX_MARKS = 500;

/** @param onLost called when the server no longer has the session */
export function keepSession(session: OpenSession, onLost: () => void): Keeper {
  let { media, thumbnail, savedId } = recordOf(session.id) ?? {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;

  const remember = (): void => {
    clearTimeout(timer);
    putRecord({
      sessionId: session.id,
      token: session.client.token,
      name: session.name.peek(),
      numFrames: session.video.num_frames,
      frame: session.frame.peek(),
      marks: session.prompts.peek().slice(-MAX_MARKS),
      view: viewState({ views: session.views }),
      changedAtMs: Date.now(),
      ...(media && { media }),
      ...(savedId !== undefined && { savedId }),
      ...(thumbnail !== undefined && { thumbnail }),
    });
  };
  const rememberSoon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(remember, REMEMBER_MS);
  };
  const autosave = createAutosave({
    savedId,
    save: () => session.client.save(),
    remove: deleteSaved,
    onSaved(id) {
      savedId = id;
      remember();
    },
  });

  void (async () => {
    media = (await mediaOfSession(session.id)) ?? media;
    thumbnail ??= await thumbnailOf(session.id).catch(() => undefined);
    if (!isStopped) remember();
  })().catch(() => {});

  let isFirst = true;
  const stopWatching = effect(() => {
    void session.facts.value;
    void session.run.value;
    void session.views.value;
    if (isFirst) isFirst = false;
    else if (roles.peek().get(session.id) === undefined) autosave.changed();
  });
  const stopFollowing = effect(() => {
    void session.frame.value;
    void session.prompts.value;
    void session.views.value;
    untracked(rememberSoon);
  });
  let reported: number | undefined;
  const withdraw = () => {
    if (reported !== undefined) dismiss(reported);
    reported = undefined;
  };
  const stopReporting = effect(() => {
    const state = autosave.state.value;
    if (state.kind === "saved") untracked(withdraw);
    if (state.kind !== "failed" || linkStatus.peek().kind !== "open") return;
    if (LOST_CODES.has(state.code)) {
      untracked(onLost);
      return;
    }
    reported = notify({
      kind: "error",
      title: `${session.name.peek()} is not saved`,
      detail: `${state.message} The session continues, and saving is tried again. To be safe, free space or download the session file.`,
    });
  });
  return {
    autosave,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      autosave.stop();
      stopWatching();
      stopFollowing();
      stopReporting();
      withdraw();
    },
  };
}
