/** Sessions and saved files of the server, over HTTP. */
import { fetchFromServer } from "../connection/http.js";
import type { KeptWork } from "./kept-work.js";
import { records } from "./records.js";

/** An entry of `GET /v1/sessions`. */
interface ListedSession {
  session_id: string;
  session_token: string;
  name: string;
  resource_path?: string;
  upload_id?: string;
  num_frames?: number;
}

async function list(): Promise<readonly ListedSession[]> {
  const answer = (await (await fetchFromServer("v1/sessions")).json()) as { sessions: ListedSession[] };
  return answer.sessions;
}

const mediaOf = ({ resource_path, upload_id }: ListedSession): KeptWork["media"] =>
  resource_path !== undefined ? { resource_path } : upload_id !== undefined ? { upload_id } : undefined;

/** The video of a session; undefined when the server has no such session, or it is live. */
export async function mediaOfSession(id: string): Promise<KeptWork["media"]> {
  const found = (await list()).find(({ session_id }) => session_id === id);
  return found && mediaOf(found);
}

/** Sessions of this owner that this browser has no record of. */
export async function workOfServer(): Promise<KeptWork[]> {
  const known = new Set(records().map(({ sessionId }) => sessionId));
  return (await list())
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

/** The first frame as a `data:` address. */
export async function thumbnailOf(id: string): Promise<string> {
  const response = await fetchFromServer(`v1/sessions/${encodeURIComponent(id)}/frames/0.jpeg?width=160`);
  const blob = await response.blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** The file of these that was saved last; undefined when the server has none of them. */
export async function newestSaved(savedIds: readonly string[]): Promise<string | undefined> {
  const { saved } = (await (await fetchFromServer("v1/saved")).json()) as { saved: { saved_id: string }[] };
  // The newest one is first.
  return saved.find(({ saved_id }) => savedIds.includes(saved_id))?.saved_id;
}

export async function deleteSaved(savedId: string): Promise<void> {
  await fetchFromServer(`v1/saved/${savedId}`, { method: "DELETE" });
}
