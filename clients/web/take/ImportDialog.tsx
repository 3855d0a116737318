/** Brings the annotations of another tool into the session, and reports what was imported and what was left out. */
import { useEffect, useState } from "preact/hooks";
import { countText } from "../app/count-text.js";
import { messageOf } from "../app/message-of.js";
import { Dialog } from "../theme/Dialog.js";
import type { TakeParts } from "./take-parts.js";
import "./take.css";

/** The answer to an import. */
interface ImportReport {
  imported: { masks: number; boxes: number; frames: number };
  objects: readonly { obj_id: number; name: string | null; is_new: boolean; frames: number }[];
  skipped: readonly { reason: string; count: number; example?: string }[];
  /** Sentences, such as that the file was made for a video with another number of frames. */
  warnings: readonly string[];
}

/** An entry of `GET /v1/imports`. */
interface ImportFormatFacts {
  id: string;
  title: string;
  /** Such as `.json`. */
  extensions: readonly string[];
  as: readonly ("prompts" | "locked")[];
}

export function ImportDialog({ parts, onClose }: { parts: TakeParts; onClose(): void }) {
  const [formats, setFormats] = useState<readonly ImportFormatFacts[]>([]);
  const [formatId, setFormatId] = useState("coco");
  const [kind, setKind] = useState<"prompts" | "locked">("prompts");
  const [file, setFile] = useState<File>();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<string>();
  const [report, setReport] = useState<ImportReport>();

  useEffect(() => {
    parts
      .request("v1/imports")
      .then((response) => response.json() as Promise<{ formats: ImportFormatFacts[] }>)
      .then((list) => setFormats(list.formats))
      .catch((problem) => setError(messageOf(problem)));
  }, []);
  const format = formats.find(({ id }) => id === formatId);
  const canLock = format?.as.includes("locked") ?? true;
  const use = canLock ? kind : "prompts";

  async function bringIn(chosen: File): Promise<void> {
    setRunning(true);
    setError(undefined);
    setReport(undefined);
    try {
      const path = `v1/sessions/${encodeURIComponent(parts.sessionId)}/import?format=${formatId}&as=${use}`;
      const response = await parts.request(path, { method: "POST", body: chosen });
      setReport((await response.json()) as ImportReport);
      parts.onImported?.();
    } catch (problem) {
      setError(messageOf(problem));
    } finally {
      setRunning(false);
    }
  }

  return (
    <Dialog title="Import annotations" class="take" onClose={onClose}>
      <form class="take-form" onSubmit={(event) => event.preventDefault()}>
        <label>
          <span>Format</span>
          <select
            class="field"
            autofocus
            value={formatId}
            onChange={(event) => {
              setFormatId(event.currentTarget.value);
              setError(undefined);
              setReport(undefined);
            }}
          >
            {formats.map(({ id, title }) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>File, or a ZIP archive of several files</span>
          <input
            type="file"
            accept={format?.extensions.join(",")}
            onChange={(event) => setFile(event.currentTarget.files?.[0])}
          />
        </label>
        <fieldset>
          <legend>Use as</legend>
          <label class="take-choice">
            <input type="radio" name="as" checked={use === "prompts"} onChange={() => setKind("prompts")} />
            Prompts: the model follows them
          </label>
          <label class="take-choice">
            <input
              type="radio"
              name="as"
              checked={use === "locked"}
              disabled={!canLock}
              onChange={() => setKind("locked")}
            />
            {canLock ? "Locked masks: they stay as they are" : "Locked masks: this format has only boxes"}
          </label>
        </fieldset>
      </form>
      {error !== undefined && (
        <p class="dialog-error" role="alert">
          {error}
        </p>
      )}
      {report && <Report report={report} />}
      <div class="dialog-actions">
        <button
          type="button"
          class="button primary"
          disabled={isRunning || file === undefined}
          onClick={() => file && void bringIn(file)}
        >
          {isRunning ? "Importing…" : "Import"}
        </button>
      </div>
    </Dialog>
  );
}

function Report({ report }: { report: ImportReport }) {
  const { imported, objects, skipped, warnings } = report;
  return (
    <section aria-label="Report" aria-live="polite">
      <p>
        Imported {countText(imported.masks, "mask")} and {countText(imported.boxes, "box", "boxes")} on{" "}
        {countText(imported.frames, "frame")}, for {countText(objects.length, "object")}.
      </p>
      {warnings.map((warning) => (
        <p key={warning} class="take-warning">
          {warning}
        </p>
      ))}
      {skipped.length > 0 && (
        <ul class="take-skipped">
          {skipped.map(({ reason, count, example }) => (
            <li key={reason}>
              {count} left out: {reason}
              {example !== undefined && <span class="muted"> ({example})</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
