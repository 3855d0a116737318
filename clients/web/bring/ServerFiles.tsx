import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../app/icons.js";
import { messageOf } from "../app/message-of.js";
import { fetchFromServer } from "../connection/http.js";
import { linkClient } from "../connection/link.js";
import { sizeText } from "./check-file.js";
import { openPath } from "./open-media.js";

/** An entry of `GET /v1/media`. */
interface MediaEntry {
  name: string;
  path: string;
  kind: "folder" | "video" | "image";
  bytes?: number | null;
  /** A folder that can be opened as a video. */
  has_pictures?: boolean;
}

async function list(folder: string | undefined): Promise<MediaEntry[]> {
  const query = folder === undefined ? "" : `?folder=${encodeURIComponent(folder)}`;
  const answer: unknown = await (await fetchFromServer(`v1/media${query}`)).json();
  return (answer as { entries: MediaEntry[] }).entries;
}

/** Interval at which the listing of the folder is read again. */
const REFRESH_MS = 3000;

/** Files before folders: what can be opened comes first. */
const filesFirst = (found: readonly MediaEntry[]) =>
  [...found].sort((a, b) => Number(a.kind === "folder") - Number(b.kind === "folder"));

/** The media folders of the server. */
export function ServerFiles() {
  const folders = useSignal<readonly MediaEntry[]>([]);
  /** Undefined before the first answer. */
  const entries = useSignal<readonly MediaEntry[] | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const folder = folders.value.at(-1);
  const client = linkClient.value;

  useEffect(() => {
    let isGone = false;
    if (!client) return;
    const show = () =>
      list(folder?.path).then(
        (found) => {
          if (isGone) return;
          entries.value = filesFirst(found);
          problem.value = undefined;
        },
        (error) => {
          if (!isGone) problem.value = messageOf(error);
        },
      );
    void show();
    // Files appear while the page is open; the sample clip does so some seconds after the first start.
    const refreshing = setInterval(show, REFRESH_MS);
    return () => {
      isGone = true;
      clearInterval(refreshing);
    };
  }, [client, folder?.path]);

  return (
    <section class="server-files" aria-label="Files on the server">
      <header>
        <h2>On the server</h2>
        {folder && (
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              folders.value = folders.value.slice(0, -1);
            }}
          >
            <Icon name="previous" size={14} /> {folder.name}
          </button>
        )}
      </header>
      {problem.value && <p class="muted">{problem.value}</p>}
      {!problem.value && entries.value?.length === 0 && <p class="muted">The media folder is empty.</p>}
      <ul>
        {entries.value?.map((entry) => (
          <li key={entry.path} class="file-item">
            <button
              type="button"
              class="file-row"
              onClick={() => {
                if (entry.kind === "folder") folders.value = [...folders.value, entry];
                else void openPath(entry.path, entry.name);
              }}
            >
              <Icon name={entry.kind === "folder" ? "folder" : "film"} />
              <span class="file-name">{entry.name}</span>
              {typeof entry.bytes === "number" && <span class="muted number">{sizeText(entry.bytes)}</span>}
            </button>
            {entry.has_pictures && (
              <button
                type="button"
                class="button"
                aria-label={`Open the pictures of ${entry.name} as a video`}
                onClick={() => void openPath(entry.path, entry.name)}
              >
                Open
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
