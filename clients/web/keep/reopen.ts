/** Opens earlier work: the session itself while the server has it, else its saved file with the same video. */
import { MaskletError } from "../../typescript/errors.js";
import type { AttachFields, LoadFields } from "../../typescript/index.js";
import type { KeptWork } from "./kept-work.js";

export interface ReopenParts<T> {
  attach(fields: AttachFields): Promise<T>;
  load(fields: LoadFields): Promise<T>;
  /** The file that was saved last. */
  newestOf(savedIds: readonly string[]): Promise<string | undefined>;
}

export interface Reopened<T> {
  session: T;
  /** `attached`: nothing was lost. `loaded`: everything up to the last saved file is there; undo starts anew. */
  how: "attached" | "loaded";
}

/** What the server has no more: what happened, what is kept, what to do next. */
export class WorkGone extends Error {
  override readonly name = "WorkGone";
}

/**
 * @param watch without the right to change anything
 * @throws WorkGone when neither the session nor its file exists, and MaskletError for other failures
 */
export async function reopen<T>(
  work: Pick<KeptWork, "token" | "savedId" | "media" | "name">,
  { attach, load, newestOf }: ReopenParts<T>,
  watch = false,
): Promise<Reopened<T>> {
  let savedId = work.savedId;
  try {
    const session = await attach({ session_token: work.token, ...(watch && { watch }) });
    return { session, how: "attached" };
  } catch (error) {
    if (!(error instanceof MaskletError)) throw error;
    if (error.code === "session_saved") {
      // The file of a server that was stopped; this page may have saved a later one since.
      const ids = [error.savedId, savedId].filter((id) => id !== undefined);
      savedId = ids.length > 1 ? ((await newestOf(ids)) ?? error.savedId) : ids[0];
    } else if (error.code !== "session_not_found") throw error;
  }
  if (savedId === undefined || work.media === undefined) {
    throw new WorkGone(
      `The server no longer has the session of ${work.name}, and it was not saved. The video is kept: open it again.`,
    );
  }
  try {
    return { session: await load({ saved_id: savedId, ...work.media }), how: "loaded" };
  } catch (error) {
    if (!(error instanceof MaskletError)) throw error;
    if (error.code === "saved_not_found") {
      throw new WorkGone(
        `The server no longer has the session of ${work.name} or its saved file. If you downloaded the file, open it.`,
        { cause: error },
      );
    }
    if (error.code === "upload_not_found" || error.code === "resource_not_found") {
      throw new WorkGone(
        `The annotations of ${work.name} are saved, but the server no longer has the video. Bring the video again, then open the saved session with it.`,
        { cause: error },
      );
    }
    throw error;
  }
}
