/** Keeps the work of every open video: saves and remembers it, and opens it again after a reload or a lost connection. */
import { effect, untracked } from "@preact/signals";
import { notify } from "../app/notices.js";
import { linkClient, linkStatus, onServerEvent } from "../connection/link.js";
import type { OpenSession } from "../session/open-session.js";
import { activeSession, sessions } from "../session/sessions.js";
import type { Autosave } from "./autosave.js";
import { acquireLock, releaseLock, roles, setRole } from "./control.js";
import { type Keeper, keepSession } from "./keep-session.js";
import { recordOf } from "./records.js";
import { openWork, reportFailure } from "./work.js";

const keepers = new Map<string, { session: OpenSession; keeper: Keeper }>();
const TAB = "masklet.tab.v1";

export const autosaveOf = (session: OpenSession): Autosave | undefined =>
  keepers.get(session.id)?.keeper.autosave;

/** Stores which sessions are open, and the active one, for a reload of this tab. */
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

let restoring: Promise<void> | undefined;

/** Loads sessions that the server no longer has from their files. */
function restore(): Promise<void> {
  restoring ??= restoreLost().finally(() => {
    restoring = undefined;
  });
  return restoring;
}

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
          detail: "The server no longer had the session. It was restored from its last saved state.",
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
        releaseLock(id);
        setRole(id, undefined);
      }
    }
    untracked(() => {
      for (const session of list) {
        if (keepers.has(session.id)) continue;
        if (roles.peek().get(session.id) === undefined) acquireLock(session.id);
        keepers.set(session.id, { session, keeper: keepSession(session, () => void restore()) });
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
      } else if (wasLost) void restore();
      wasLost = false;
    });
  });
  onServerEvent((event) => {
    if (event.type !== "event" || event.event !== "session_detached") return;
    releaseLock(event.session_id);
    setRole(event.session_id, "taken");
  });
}
