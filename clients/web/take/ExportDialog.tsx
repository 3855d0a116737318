/** Takes the results out: the format, which objects and frames, what the file would contain, and the file. */
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { countText } from "../app/count-text.js";
import { messageOf } from "../app/message-of.js";
import { Dialog } from "../theme/Dialog.js";
import {
  type ExportChoice,
  type ExportFormatFacts,
  type ExportOption,
  type ExportPreview,
  exportPath,
  fileNameOf,
  readFrames,
  sizeText,
} from "./export-request.js";
import { optionTitle, valueTitle } from "./option-titles.js";
import { pickFile, saveBody } from "./save-file.js";
import type { TakeParts } from "./take-parts.js";
import "./take.css";

type Progress = { kind: "idle" } | { kind: "running"; bytes: number } | { kind: "done"; text: string };

/** Typing changes the preview after this time. */
const PREVIEW_DELAY_MS = 250;
const MEDIA_TITLES = { text: "Annotations", pictures: "Pictures", video: "Video" } as const;

export function ExportDialog({ parts, onClose }: { parts: TakeParts; onClose(): void }) {
  const [formats, setFormats] = useState<readonly ExportFormatFacts[]>([]);
  const [formatId, setFormatId] = useState("coco");
  const [framesText, setFramesText] = useState(parts.range ? `${parts.range.first}-${parts.range.last}` : "");
  const [onlySelected, setOnlySelected] = useState(false);
  const [options, setOptions] = useState<Record<string, string>>({});
  const [preview, setPreview] = useState<ExportPreview>();
  const [isReading, setReading] = useState(true);
  const [error, setError] = useState<string>();
  const [progress, setProgress] = useState<Progress>({ kind: "idle" });
  const [stop, setStop] = useState<AbortController>();

  useEffect(() => {
    parts
      .request("v1/exports")
      .then((response) => response.json() as Promise<{ formats: ExportFormatFacts[] }>)
      .then((list) => setFormats(list.formats))
      .catch((problem) => setError(messageOf(problem)));
  }, []);

  const frames = readFrames(framesText, parts.numFrames);
  const choice = useMemo<ExportChoice>(
    () => ({
      format: formatId,
      ...("frames" in frames && { frames: frames.frames }),
      ...(onlySelected && { objects: [...parts.selected] }),
      options,
    }),
    [formatId, framesText, onlySelected, options],
  );

  useEffect(() => {
    if ("error" in frames) {
      setError(frames.error);
      return;
    }
    setReading(true);
    const reader = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const response = await parts.request(exportPath(parts.sessionId, choice, true), {
          signal: reader.signal,
        });
        setPreview((await response.json()) as ExportPreview);
        setReading(false);
        setError(undefined);
      } catch (problem) {
        if (reader.signal.aborted) return;
        setPreview(undefined);
        setReading(false);
        setError(messageOf(problem));
      }
    }, PREVIEW_DELAY_MS);
    return () => {
      clearTimeout(timer);
      reader.abort();
    };
  }, [choice]);

  async function take(): Promise<void> {
    const controller = new AbortController();
    const suggested = suggestedName(parts.name, format, preview);
    try {
      const writer = await pickFile(suggested);
      setStop(controller);
      setError(undefined);
      setProgress({ kind: "running", bytes: 0 });
      let total = 0;
      const response = await parts.request(exportPath(parts.sessionId, choice), {
        signal: controller.signal,
      });
      const fileName = fileNameOf(response.headers.get("content-disposition"), suggested);
      await saveBody(response, fileName, writer, (bytes) => {
        total = bytes;
        setProgress({ kind: "running", bytes });
      });
      setProgress({ kind: "done", text: `${fileName}, ${sizeText(total)}` });
    } catch (problem) {
      setProgress({ kind: "idle" });
      const isCancelled = controller.signal.aborted || (problem as Error).name === "AbortError";
      if (!isCancelled) {
        setError(
          `${messageOf(problem)} No complete file was written; the session is unchanged. Export again.`,
        );
      }
    } finally {
      setStop(undefined);
    }
  }

  const format = formats.find(({ id }) => id === formatId);
  const isRunning = progress.kind === "running";
  return (
    <Dialog title="Export" class="take" onClose={onClose}>
      <div class="take-columns">
        <form class="take-form" onSubmit={(event) => event.preventDefault()}>
          <label>
            <span>Format</span>
            <select
              class="field"
              autofocus
              value={formatId}
              onChange={(event) => {
                setFormatId(event.currentTarget.value);
                setOptions({});
                setProgress({ kind: "idle" });
              }}
            >
              {(["text", "pictures", "video"] as const).map((media) => (
                <optgroup key={media} label={MEDIA_TITLES[media]}>
                  {formats
                    .filter((one) => one.media === media)
                    .map(({ id, title }) => (
                      <option key={id} value={id}>
                        {title}
                      </option>
                    ))}
                </optgroup>
              ))}
            </select>
          </label>
          <label>
            <span>Frames</span>
            <input
              class="field number"
              value={framesText}
              placeholder={`all: 0-${parts.numFrames - 1}`}
              aria-invalid={"error" in frames}
              onInput={(event) => setFramesText(event.currentTarget.value)}
            />
          </label>
          <fieldset>
            <legend>Objects</legend>
            <label class="take-choice">
              <input
                type="radio"
                name="objects"
                checked={!onlySelected}
                onChange={() => setOnlySelected(false)}
              />
              All {parts.objects.length}
            </label>
            <label class="take-choice">
              <input
                type="radio"
                name="objects"
                checked={onlySelected}
                disabled={parts.selected.size === 0}
                onChange={() => setOnlySelected(true)}
              />
              Selected ({parts.selected.size})
            </label>
          </fieldset>
          {format?.options.map((option) => (
            <OptionField
              key={`${formatId} ${option.name}`}
              option={option}
              value={options[option.name]}
              onChange={(value) => setOptions({ ...options, [option.name]: value })}
            />
          ))}
        </form>
        <Preview preview={preview} isReading={isReading} />
      </div>
      {error !== undefined && (
        <p class="dialog-error" role="alert">
          {error}
        </p>
      )}
      <div class="dialog-actions">
        <output class="take-progress muted">
          {progress.kind === "running" && `Writing: ${sizeText(progress.bytes)}`}
          {progress.kind === "done" && `Written: ${progress.text}`}
        </output>
        {parts.onSessionFile && (
          <button
            type="button"
            class="button quiet"
            title="Everything of this video, to continue on another machine (Ctrl+S)"
            onClick={parts.onSessionFile}
          >
            Download the session file
          </button>
        )}
        {isRunning && (
          <button type="button" class="button" onClick={() => stop?.abort()}>
            Stop
          </button>
        )}
        <button
          type="button"
          class="button primary"
          disabled={isRunning || isReading || preview === undefined || "error" in frames}
          onClick={() => void take()}
        >
          Download
        </button>
      </div>
    </Dialog>
  );
}

function OptionField(props: {
  option: ExportOption;
  value: string | undefined;
  onChange(value: string): void;
}) {
  const { option, value, onChange } = props;
  const id = useId();
  return (
    <div class="take-option">
      <label for={id}>{optionTitle(option.name)}</label>
      {option.values ? (
        <select
          id={id}
          class="field"
          value={value ?? option.default ?? ""}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {option.values.map((one) => (
            <option key={one} value={one}>
              {valueTitle(one)}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          class="field"
          value={value ?? ""}
          placeholder={option.default ?? ""}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
      <small class="muted">{option.meaning}</small>
    </div>
  );
}

/** @param isReading the preview is that of an earlier choice, until the next one arrives */
function Preview({ preview, isReading }: { preview: ExportPreview | undefined; isReading: boolean }) {
  if (!preview)
    return (
      <section class="take-preview" aria-label="Preview">
        {isReading && <p class="muted">Reading…</p>}
      </section>
    );
  const { num_frames, num_objects, num_masks, num_files, files } = preview;
  return (
    <section class="take-preview" aria-label="Preview" aria-busy={isReading}>
      <p class="number">
        {isReading ? (
          <span class="muted">Reading…</span>
        ) : (
          <>
            {countText(num_masks, "mask")} of {countText(num_objects, "object")} on{" "}
            {countText(num_frames, "frame")}, in {countText(num_files, "file")}
          </>
        )}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the list scrolls, so the keyboard has to reach it */}
      <ol class="take-files" tabIndex={0} aria-label="Files">
        {files.map(({ path, beginning }) => (
          <li key={path}>
            <code>{path}</code>
            {beginning !== undefined && <pre>{beginning}</pre>}
          </li>
        ))}
        {num_files > files.length && <li class="muted">and {num_files - files.length} more</li>}
      </ol>
    </section>
  );
}

function suggestedName(
  name: string,
  format: ExportFormatFacts | undefined,
  preview: ExportPreview | undefined,
): string {
  const stem = name.replace(/\.[^.]*$/, "") || "masks";
  if (!format || format.packing === "zip") return `${stem}-${format?.id ?? "export"}.zip`;
  const path = preview?.files[0]?.path ?? "";
  return path.split("/").at(-1) || `${stem}-${format.id}`;
}
