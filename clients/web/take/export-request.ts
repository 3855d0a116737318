/** What a person chose in the export dialog, and the request that it becomes. */

/** An entry of `GET /v1/exports`. */
export interface ExportFormatFacts {
  id: string;
  title: string;
  media: "text" | "pictures" | "video";
  packing: "file" | "zip";
  needs_pictures: boolean;
  options: readonly ExportOption[];
}

export interface ExportOption {
  name: string;
  meaning: string;
  default: string | null;
  values?: readonly string[];
}

/** The answer with `preview=true`. */
export interface ExportPreview {
  format: string;
  num_frames: number;
  num_objects: number;
  num_masks: number;
  num_files: number;
  files: readonly { path: string; beginning?: string }[];
}

export interface ExportChoice {
  format: string;
  /** Inclusive; undefined: all frames. */
  frames?: { first: number; last: number } | undefined;
  /** Undefined: all objects. */
  objects?: readonly number[] | undefined;
  /** Values that differ from the defaults. */
  options?: Readonly<Record<string, string>>;
}

/** The path and query of an export, relative to the server. */
export function exportPath(sessionId: string, choice: ExportChoice, isPreview = false): string {
  const query = new URLSearchParams();
  if (choice.frames) query.set("frames", `${choice.frames.first}-${choice.frames.last}`);
  if (choice.objects) query.set("objects", choice.objects.join(","));
  for (const [name, value] of Object.entries(choice.options ?? {})) if (value !== "") query.set(name, value);
  if (isPreview) query.set("preview", "true");
  const text = query.size === 0 ? "" : `?${query}`;
  return `v1/sessions/${encodeURIComponent(sessionId)}/export/${encodeURIComponent(choice.format)}${text}`;
}

/** `num_frames` frames as a person types them: "", "12" or "0-99". Returns an error for people otherwise. */
export function readFrames(
  text: string,
  numFrames: number,
): { frames: ExportChoice["frames"] } | { error: string } {
  const trimmed = text.trim();
  if (trimmed === "") return { frames: undefined };
  const match = /^(\d{1,9})\s*(?:[-–]\s*(\d{1,9}))?$/.exec(trimmed);
  if (!match) return { error: `Frames: "${trimmed}" is not a frame or a range such as 0-99.` };
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first > last) return { error: `Frames: ${first} comes after ${last}.` };
  if (last >= numFrames) return { error: `Frames: the video ends with frame ${numFrames - 1}.` };
  return { frames: { first, last } };
}

/** The name in a Content-Disposition header. */
export function fileNameOf(disposition: string | null, fallback: string): string {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return fallback;
    }
  }
  return /filename="?([^";]+)"?/i.exec(disposition ?? "")?.[1] ?? fallback;
}

const UNITS = ["bytes", "kB", "MB", "GB"] as const;

/** Such as "3.2 MB". */
export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
