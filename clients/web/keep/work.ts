/** Opens and deletes earlier work. */
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { linkClient } from "../connection/link.js";
import { applyViewState } from "../edits/view-state.js";
import { frameResultOf } from "../results/frame-result.js";
import type { OpenSession } from "../session/open-session.js";
import { readMarks } from "../session/prompts.js";
import { attachVideo, closeVideo, loadVideo, sessions } from "../session/sessions.js";
import { acquireLock, isFree, setRole } from "./control.js";
import type { KeptWork } from "./kept-work.js";
import { putRecord, recordOf, removeRecord } from "./records.js";
import { reopen, WorkGone } from "./reopen.js";
import { deleteSaved, newestSaved } from "./server-sessions.js";

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
      newestOf: newestSaved,
      load: async (fields) => {
        // The file that a stopping server wrote takes the place of the last one of this page.
        const before = recordOf(work.sessionId);
        putRecord({ ...work, savedId: fields.saved_id });
        try {
          // Under its old id and token, so that other tabs and this list find it.
          return await loadVideo(
            { ...fields, session_id: work.sessionId, session_token: work.token, mask_format: "binary" },
            options,
          );
        } catch (error) {
          if (before) putRecord(before);
          else removeRecord(work.sessionId);
          throw error;
        }
      },
    },
    isWatching,
  );
  opened = session;
  const { savedId } = work;
  if (how === "loaded" && savedId !== undefined && savedId !== recordOf(work.sessionId)?.savedId)
    void deleteSaved(savedId).catch(() => {});
  setRole(session.id, isWatching && how === "attached" ? "watching" : undefined);
  if (!isWatching) acquireLock(session.id);
  applyViewState({ views: session.views }, work.view);
  const ids = new Set(session.facts.peek().obj_ids);
  session.prompts.value = readMarks(work.marks).filter(({ objectId }) => ids.has(objectId));
  session.frame.value = Math.min(work.frame, session.video.num_frames - 1);
  session.shownFrame.value = session.frame.value;
  return session;
}

export const reportFailure = (work: Pick<KeptWork, "name">) => (error: unknown) => {
  notify({
    kind: "error",
    title: error instanceof WorkGone ? `${work.name} cannot be continued` : `Opening ${work.name}: failed`,
    detail: messageOf(error),
  });
};

/** Ends the session and deletes its saved file. The video stays. */
export async function deleteWork(work: KeptWork): Promise<void> {
  const open = sessions.peek().find(({ id }) => id === work.sessionId);
  if (open) await closeVideo(open, false).catch(() => {});
  await linkClient
    .peek()
    ?.attachSession({ session_token: work.token })
    .then((session) => session.close())
    .catch(() => {});
  if (work.savedId !== undefined) await deleteSaved(work.savedId).catch(() => {});
  removeRecord(work.sessionId);
}
