/** On the page without a video: sessions to continue, of this browser and of the server. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { countText } from "../app/count-text.js";
import { linkClient } from "../connection/link.js";
import { Dialog } from "../theme/Dialog.js";
import type { KeptWork } from "./kept-work.js";
import { records, recordsVersion } from "./records.js";
import { workOfServer } from "./server-sessions.js";
import { deleteWork, openWork, reportFailure } from "./work.js";
import "./keep.css";

const ROWS = 8;

export function EarlierWork() {
  const ofServer = useSignal<readonly KeptWork[]>([]);
  const toDelete = useSignal<KeptWork | undefined>(undefined);
  const busy = useSignal<string | undefined>(undefined);
  const client = linkClient.value;
  const version = recordsVersion.value;
  useEffect(() => {
    if (!client) return;
    workOfServer().then(
      (list) => {
        ofServer.value = list;
      },
      () => {},
    );
  }, [client, version]);

  const list = [...records(), ...ofServer.value].slice(0, ROWS);
  if (list.length === 0) return null;
  return (
    <section class="earlier" aria-label="Earlier work">
      <h2>Earlier work</h2>
      <ul>
        {list.map((work) => (
          <li key={work.sessionId}>
            <button
              type="button"
              class="earlier-row"
              disabled={!client || busy.value !== undefined}
              onClick={async () => {
                busy.value = work.sessionId;
                await openWork(work).catch(reportFailure(work));
                busy.value = undefined;
              }}
            >
              {work.thumbnail?.startsWith("data:image/") ? (
                <img src={work.thumbnail} alt="" />
              ) : (
                <span class="earlier-blank" />
              )}
              <span class="earlier-text">
                <span class="earlier-name">{work.name}</span>
                <span class="muted small number">
                  {busy.value === work.sessionId
                    ? "Opening…"
                    : `${countText(work.numFrames, "frame")}${ageText(work.changedAtMs)}`}
                </span>
              </span>
            </button>
            <button
              type="button"
              class="button quiet icon"
              aria-label={`Delete the work on ${work.name}`}
              title="Delete"
              onClick={() => {
                toDelete.value = work;
              }}
            >
              <svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
                <path d="M3 3l10 10M13 3L3 13" stroke="currentColor" stroke-width="1.6" fill="none" />
              </svg>
            </button>
          </li>
        ))}
      </ul>
      {toDelete.value && (
        <Dialog
          title={`Delete the work on ${toDelete.value.name}?`}
          onClose={() => (toDelete.value = undefined)}
        >
          <p>Its objects and masks are deleted on the server. The video stays.</p>
          <div class="dialog-actions">
            <button type="button" class="button" onClick={() => (toDelete.value = undefined)}>
              Keep
            </button>
            <button
              type="button"
              class="button danger"
              onClick={async () => {
                const work = toDelete.value;
                toDelete.value = undefined;
                if (work) await deleteWork(work);
              }}
            >
              Delete
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function ageText(changedAtMs: number, nowMs = Date.now()): string {
  if (changedAtMs === 0) return "";
  const minutes = Math.round((nowMs - changedAtMs) / 60_000);
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (minutes < 1) return ", just now";
  if (minutes < 60) return `, ${format.format(-minutes, "minute")}`;
  if (minutes < 60 * 36) return `, ${format.format(-Math.round(minutes / 60), "hour")}`;
  return `, ${format.format(-Math.round(minutes / 1440), "day")}`;
}
