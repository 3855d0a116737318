/** Saves the sessions that are open when the server stops, so that their clients can continue them with the next server. */
import type { AnswerOf, ProtocolError } from "../../protocol/index.js";
import type { HostedSession } from "../hosted-session.js";
import type { Logger } from "../log.js";
import type { OwnerId } from "../session-owner.js";
import type { SavedContent } from "./saved-file.js";
import type { SavedStore } from "./store.js";

export interface SaveOpenSessionsParts {
  sessions: readonly HostedSession[];
  save(owner: OwnerId, content: SavedContent): Promise<AnswerOf<"save_session">>;
  saved: Pick<SavedStore, "linkToken">;
  /** The error of requests that are still unanswered. */
  reason(): ProtocolError;
  log: Logger;
}

/**
 * Ends each session with the event `session_saved`. One after the other, because each snapshot is in memory while it is
 * written. Sessions that cannot be saved stay open: live ones, those that are being started, and those for which saving fails.
 */
export async function saveOpenSessions(parts: SaveOpenSessionsParts): Promise<void> {
  const { sessions, save, saved, reason, log } = parts;
  for (const hosted of sessions) {
    const { id, owner, token, session } = hosted;
    if (!session || session.live || hosted.hasEnded) continue;
    try {
      session.cancel(reason());
      const facts = await save(owner, await session.save());
      await saved.linkToken(owner, token, facts.saved_id);
      log.info({ session: id, savedId: facts.saved_id, bytes: facts.bytes }, "session saved");
      hosted.end(reason(), { event: "session_saved", session_id: id, ...facts });
    } catch (error) {
      log.warn({ err: error, session: id }, "a session could not be saved");
    }
  }
}
