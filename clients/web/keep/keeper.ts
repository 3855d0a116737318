/** Keeps the work of every open video: saves it after changes, remembers it in this browser, and opens it again. */
import { effect, signal, untracked } from "@preact/signals";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { fetchFromServer } from "../connection/http.js";
import { linkClient, linkStatus, onServerEvent } from "../connection/link.js";
import { applyViewState, viewState } from "../edits/view-state.js";
import { frameResultOf } from "../results/frame-result.js";
import type { OpenSession } from "../session/open-session.js";
import { activeSession, attachVideo, closeVideo, loadVideo, sessions } from "../session/sessions.js";
import { type Autosave, createAutosave } from "./autosave.js";
import { createKeptList, type KeptWork } from "./kept-work.js";
import { reopen, WorkGone } from "./reopen.js";

export const kept = createKeptList(localStorage);
/** Grows when the list changes. */
export const keptVersion = signal(0);
/** Sessions that this page only watches, or that another page took over. */
export const roles = signal<ReadonlyMap<string, "watching" | "taken">>(new Map());

interface Keeper {
  readonly autosave: Autosave;
  remember(): void;
  stop(): void;
}

const keepers = new Map<string, { session: OpenSession; keeper: Keeper }>();
const TAB = "masklet.tab.v1";
const REMEMBER_MS = 400;

export const autosaveOf = (session: OpenSession): Autosave | undefined =>
  keepers.get(session.id)?.keeper.autosave;

const recordOf = (id: string) => kept.all().find(({ sessionId }) => sessionId === id);

function put(work: KeptWork): void {
  if (!kept.put(work)) {
    notify({
      kind: "error",
      title: "This browser has no room to remember your work",
      detail: "The session is kept on the server. Free some storage, or download the session file.",
    });
  }
  keptVersion.value++;
}

function keep(session: OpenSession): Keeper {
  let media = recordOf(session.id)?.media;
  let thumbnail = recordOf(session.id)?.thumbnail;
  let savedId = recordOf(session.id)?.savedId;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;

  const remember = (): void => {
    clearTimeout(timer);
    put({
      sessionId: session.id,
      token: session.client.token,
      name: session.name.peek(),
      numFrames: session.video.num_frames,
      frame: session.frame.peek(),
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
    remove: async (id) => void (await fetchFromServer(`v1/saved/${id}`, { method: "DELETE" })),
    onSaved(id) {
      savedId = id;
      remember();
    },
  });

  void (async () => {
    const facts = await factsOf(session.id);
    media = facts ?? media;
    thumbnail ??= await smallPicture(session.id).catch(() => undefined);
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
    void session.views.value;
    untracked(rememberSoon);
  });
  const stopReporting = effect(() => {
    const state = autosave.state.value;
    if (state.kind !== "failed" || linkStatus.peek().kind !== "open") return;
    notify({
      kind: "error",
      title: `${session.name.peek()} is not saved`,
      detail: `${state.message} The session continues, and saving is tried again. To be safe, free space or download the session file.`,
    });
  });
  return {
    autosave,
    remember,
    stop() {
      isStopped = true;
      clearTimeout(timer);
      autosave.stop();
      stopWatching();
      stopFollowing();
      stopReporting();
    },
  };
}

interface ListedSession {
  session_id: string;
  session_token: string;
  name: string;
  resource_path?: string;
  upload_id?: string;
  num_frames?: number;
}

export async function sessionsOfServer(): Promise<readonly ListedSession[]> {
  const answer = (await (await fetchFromServer("v1/sessions")).json()) as { sessions: ListedSession[] };
  return answer.sessions;
}

const mediaOf = ({ resource_path, upload_id }: ListedSession): KeptWork["media"] =>
  resource_path !== undefined ? { resource_path } : upload_id !== undefined ? { upload_id } : undefined;

async function factsOf(id: string): Promise<KeptWork["media"]> {
  const found = (await sessionsOfServer()).find(({ session_id }) => session_id === id);
  return found && mediaOf(found);
}

async function smallPicture(id: string): Promise<string> {
  const response = await fetchFromServer(`v1/sessions/${encodeURIComponent(id)}/frames/0.jpeg?width=160`);
  const blob = await response.blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Opens earlier work in a tab. @param watch undefined: watch when another tab of this browser has it */
export async function openWork(work: KeptWork, watch?: boolean): Promise<OpenSession> {
  const isWatching = watch ?? !(await isFree(work.sessionId));
  let opened: OpenSession | undefined;
  const options = { name: work.name };
  const { session, how } = await reopen(
    work,
    {
      attach: (fields) =>
        attachVideo(
          {
            ...fields,
            onResult(message) {
              if ("outputs" in message) opened?.results.put(frameResultOf(message as never));
              if (message.type !== "frame") void opened?.requests.refresh().catch(() => {});
            },
          },
          options,
        ),
      // Under its old id and token, so that other tabs and this list find it.
      load: (fields) =>
        loadVideo(
          { ...fields, session_id: work.sessionId, session_token: work.token, mask_format: "binary" },
          options,
        ),
    },
    isWatching,
  );
  opened = session;
  setRole(session.id, isWatching && how === "attached" ? "watching" : undefined);
  if (!isWatching) hold(session.id);
  applyViewState({ views: session.views }, work.view);
  session.frame.value = Math.min(work.frame, session.video.num_frames - 1);
  return session;
}

export function setRole(id: string, role: "watching" | "taken" | undefined): void {
  const next = new Map(roles.peek());
  if (role) next.set(id, role);
  else next.delete(id);
  roles.value = next;
}

/** Locks of the browser: the tab that controls a session holds the lock of its id. */
const held = new Map<string, () => void>();
const lockName = (id: string) => `masklet session ${id}`;

function hold(id: string): void {
  if (held.has(id) || !navigator.locks) return;
  held.set(id, () => {});
  void navigator.locks
    .request(lockName(id), { steal: true }, () => new Promise<void>((resolve) => held.set(id, resolve)))
    .catch(() => held.delete(id));
}

function letGo(id: string): void {
  held.get(id)?.();
  held.delete(id);
}

async function isFree(id: string): Promise<boolean> {
  if (held.has(id) || !navigator.locks) return true;
  return navigator.locks.request(lockName(id), { ifAvailable: true }, (lock) => lock !== null);
}

/** Ids of the tabs of this page, the active one last. They survive a reload. */
function rememberTabs(): void {
  const ids = sessions.value.map(({ id }) => id);
  const active = activeSession.value?.id;
  try {
    sessionStorage.setItem(TAB, JSON.stringify({ ids, active }));
  } catch {
    // Without room a reload starts with the list of earlier work.
  }
}

async function reopenTabs(): Promise<void> {
  let stored: { ids?: unknown; active?: unknown } = {};
  try {
    stored = JSON.parse(sessionStorage.getItem(TAB) ?? "{}") as typeof stored;
  } catch {
    return;
  }
  const ids = Array.isArray(stored.ids) ? stored.ids : [];
  for (const id of ids) {
    const work = recordOf(String(id));
    if (work) await openWork(work).catch(reportFailure(work));
  }
  const active = sessions.peek().find(({ id }) => id === stored.active);
  if (active) activeSession.value = active;
}

export const reportFailure = (work: Pick<KeptWork, "name">) => (error: unknown) => {
  notify({
    kind: "error",
    title: error instanceof WorkGone ? `${work.name} cannot be continued` : `Opening ${work.name}: failed`,
    detail: messageOf(error),
  });
};

/** After a lost connection: sessions that the server no longer has are loaded from their files. */
async function restoreLost(): Promise<void> {
  const active = activeSession.peek()?.id;
  for (const session of sessions.peek()) {
    try {
      await session.client.get();
    } catch {
      const work = recordOf(session.id);
      if (!work || roles.peek().get(session.id) === "taken") continue;
      try {
        await openWork({ ...work, frame: session.frame.peek() }, roles.peek().get(session.id) === "watching");
        notify({
          kind: "info",
          title: `${work.name} continues`,
          detail: "The server has restarted. The session was restored from its last saved state.",
        });
      } catch (error) {
        reportFailure(work)(error);
      }
    }
  }
  const again = sessions.peek().find(({ id }) => id === active);
  if (again) activeSession.value = again;
}

/** Call it once. */
export function startKeeping(): void {
  let hasStarted = false;
  let wasLost = false;
  effect(() => {
    const list = sessions.value;
    const ids = new Set(list.map(({ id }) => id));
    for (const [id, { session, keeper }] of keepers) {
      if (list.includes(session)) continue;
      keeper.stop();
      keepers.delete(id);
      if (!ids.has(id)) {
        letGo(id);
        setRole(id, undefined);
      }
    }
    untracked(() => {
      for (const session of list) {
        if (keepers.has(session.id)) continue;
        if (roles.peek().get(session.id) === undefined) hold(session.id);
        keepers.set(session.id, { session, keeper: keep(session) });
      }
    });
  });
  effect(() => {
    void sessions.value;
    void activeSession.value;
    if (hasStarted) rememberTabs();
  });
  effect(() => {
    const client = linkClient.value;
    const { kind } = linkStatus.value;
    if (kind === "lost") wasLost = true;
    if (!client || kind !== "open") return;
    untracked(() => {
      if (!hasStarted) {
        void reopenTabs().finally(() => {
          hasStarted = true;
          rememberTabs();
        });
      } else if (wasLost) void restoreLost();
      wasLost = false;
    });
  });
  onServerEvent((event) => {
    if (event.type !== "event" || event.event !== "session_detached") return;
    letGo(event.session_id);
    setRole(event.session_id, "taken");
  });
}

/** Ends the session and deletes its saved file. The video stays. */
export async function deleteWork(work: KeptWork): Promise<void> {
  const open = sessions.peek().find(({ id }) => id === work.sessionId);
  if (open) await closeVideo(open, false).catch(() => {});
  const client = linkClient.peek();
  await client
    ?.attachSession({ session_token: work.token })
    .then((session) => session.close())
    .catch(() => {});
  if (work.savedId !== undefined) {
    await fetchFromServer(`v1/saved/${work.savedId}`, { method: "DELETE" }).catch(() => {});
  }
  kept.remove(work.sessionId);
  keptVersion.value++;
}

export async function workOfServer(): Promise<KeptWork[]> {
  const known = new Set(kept.all().map(({ sessionId }) => sessionId));
  return (await sessionsOfServer())
    .filter(({ session_id }) => !known.has(session_id))
    .map((one) => {
      const media = mediaOf(one);
      return {
        sessionId: one.session_id,
        token: one.session_token,
        name: one.name,
        numFrames: one.num_frames ?? 0,
        frame: 0,
        changedAtMs: 0,
        ...(media && { media }),
      };
    });
}
