/** What the page displays about kept work: the state of saving, and who controls the session. */
import { linkStatus } from "../connection/link.js";
import { activeSession } from "../session/sessions.js";
import { roles } from "./control.js";
import { autosaveOf } from "./keeper.js";
import { recordOf, recordsVersion } from "./records.js";
import { openWork, reportFailure } from "./work.js";
import "./keep.css";

const WORDS = { saved: "Saved", changed: "Saving soon", saving: "Saving…", failed: "Not saved" } as const;

export function SaveLabel() {
  const session = activeSession.value;
  void recordsVersion.value;
  const state = session && autosaveOf(session)?.state.value;
  if (!session) return null;
  return (
    <span class={`save-label small ${state?.kind ?? ""}`} role="status">
      {state && WORDS[state.kind]}
    </span>
  );
}

/** Above the picture, when the page cannot change the session. */
export function KeepBanner() {
  const session = activeSession.value;
  const status = linkStatus.value;
  if (!session) return null;
  if (status.kind === "lost") {
    return (
      <div class="keep-banner" role="status">
        The connection is lost. Your saved work is kept. This page connects again by itself.
      </div>
    );
  }
  const role = roles.value.get(session.id);
  if (!role) return null;
  const take = () => {
    const work = recordOf(session.id);
    if (work) void openWork({ ...work, frame: session.frame.peek() }, false).catch(reportFailure(work));
  };
  return (
    <div class="keep-banner" role="status">
      {role === "watching"
        ? "This video is open in another tab. You see its changes here."
        : "Another tab or computer has taken over this video. Its changes are kept."}
      <button type="button" class="button" onClick={take}>
        Take over
      </button>
    </div>
  );
}
