import { FIXED_LIMITS } from "../../protocol/limits.js";
import { defaultPictures } from "../pictures/default.js";
import { recordDamage } from "./damage.js";
import { mediaUnsupported, readFailure } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import { type MediaFile, withMediaFile } from "./media-file.js";
import { checkedIndex, checkedRange, rememberLastFrame } from "./range.js";
import { sniffBytes } from "./sniff.js";
import type {
  FrameRange,
  FramesFacts,
  ImageFacts,
  MediaFrame,
  MediaSource,
  OpenMediaOptions,
} from "./source.js";
import {
  describeLeftOut,
  type FolderListing,
  type LeftOutFile,
  type NamedFile,
  roleOf,
  summarizeLeftOut,
} from "./still-folder.js";
import {
  DamagedPictureError,
  type PixelSize,
  probeStill,
  readStill,
  readStillHead,
  type StillFacts,
  type StillReading,
} from "./stills.js";

/** Headers that are read at the same time while a folder is opened. */
const PROBES_AT_ONCE = 8;

export function readingOf(
  { pictures = defaultPictures(), signal }: Pick<OpenMediaOptions, "pictures" | "signal">,
  limits: MediaLimits,
): StillReading {
  return { pictures, limits, ...(signal && { signal }) };
}

/** A single picture as a video of one frame. */
export async function openImage(file: MediaFile, reading: StillReading): Promise<MediaSource> {
  const name = "The picture";
  const { format, ...size } = await probeStill(file, name, reading);
  const facts: ImageFacts = {
    kind: "image",
    ...size,
    numFrames: 1,
    fps: null,
    startTimeUs: null,
    durationS: null,
    codec: format,
  };
  return openStills(facts, (_, size, signal) => readStill(file, name, size, { ...reading, signal }));
}

/**
 * Pictures as a video: JPEG, PNG, WebP, BMP, TIFF or GIF by their content, whatever their names. The frame index is the
 * rank in the listing; the numbering of the names may have gaps. Files of other formats are left out and listed in the facts.
 *
 * A damaged picture keeps its frame index and shows the nearest readable one. A file with the name of a picture that is
 * empty or of no known format counts as damaged.
 *
 * Every picture must have the size of the first one, because masks and coordinates refer to one size. All headers are
 * checked here, so that a picture of another size is reported before any work is done.
 *
 * @param place what contains the files, for messages
 */
export async function openFrameFiles(
  listing: FolderListing,
  place: "folder" | "upload",
  limits: MediaLimits,
  options: Pick<OpenMediaOptions, "signal" | "pictures">,
): Promise<MediaSource> {
  if (listing.files.length > limits.maxFrames)
    throw mediaUnsupported(`The ${place} contains more than ${limits.maxFrames} files.`);

  const reading = readingOf(options, limits);
  const stills: NamedFile[] = [];
  const leftOut: LeftOutFile[] = [...listing.leftOut];
  let first: (StillFacts & { name: string }) | undefined;
  let firstDamage: Error | undefined;
  for (let i = 0; i < listing.files.length; i += PROBES_AT_ONCE) {
    options.signal?.throwIfAborted();
    const files = listing.files.slice(i, i + PROBES_AT_ONCE);
    const probes = await Promise.all(files.map((file) => probeFile(file, listing.roots, reading)));
    for (const [k, probe] of probes.entries()) {
      const file = files[k] as NamedFile;
      if ("reason" in probe) {
        leftOut.push({ name: file.name, reason: probe.reason });
        continue;
      }
      stills.push(file);
      if ("damage" in probe) firstDamage ??= probe.damage;
      else {
        first ??= { ...probe, name: file.name };
        checkSize(file.name, probe, first);
      }
    }
  }
  if (!first) throw firstDamage ?? noPictures(place, leftOut);

  const { name: _, format, ...size } = first;
  const facts: FramesFacts = {
    ...{ kind: "frames", ...size, numFrames: stills.length },
    ...{ fps: null, startTimeUs: null, durationS: null, codec: format, leftOut: summarizeLeftOut(leftOut) },
  };
  const source = openStills(facts, (index, size, signal) => {
    const still = stills[index] as NamedFile;
    const read = (file: MediaFile) => readStill(file, still.name, size, { ...reading, signal });
    return withStill(still, listing.roots, read);
  });
  return recordDamage(source);
}

/** Opens a picture for one reading: a folder can have more pictures than a process may have open files. */
function withStill<T>(
  still: NamedFile,
  roots: readonly string[],
  task: (file: MediaFile) => Promise<T>,
): Promise<T> {
  return withMediaFile({ ...still, roots }, task).catch((error) => {
    throw readFailure(error, still.name);
  });
}

async function probeFile(
  still: NamedFile,
  roots: readonly string[],
  reading: StillReading,
): Promise<StillFacts | { damage: Error } | { reason: string }> {
  const { name } = still;
  return withStill(still, roots, async (file) => {
    const head = await readStillHead(file, name);
    const role = roleOf(sniffBytes(head), name, head.length === 0);
    if (typeof role === "object") return role;
    const damaged = () => new DamagedPictureError(`${name} cannot be read: the picture is damaged.`);
    if (role === "damaged") return { damage: damaged() };
    return probeStill(file, name, reading, head).catch((error) => {
      if (error instanceof DamagedPictureError) return { damage: error };
      throw error;
    });
  });
}

function checkSize(name: string, size: StillFacts, first: StillFacts & { name: string }): void {
  if (size.width === first.width && size.height === first.height) return;
  throw mediaUnsupported(
    `${name} is ${size.width}×${size.height}, but the first picture, ${first.name}, is ` +
      `${first.width}×${first.height}; all frames must have one size.`,
  );
}

function noPictures(place: string, leftOut: LeftOutFile[]): Error {
  const seen = describeLeftOut(summarizeLeftOut(leftOut));
  return mediaUnsupported(`The ${place} contains no JPEG, PNG, WebP, BMP, TIFF or GIF pictures: ${seen}.`);
}

/** Decodes the picture of a frame: `[height, width, 3]` uint8. Throws DamagedPictureError when it is damaged. */
type ReadPicture = (index: number, size: PixelSize, signal: AbortSignal) => Promise<Uint8Array>;

function openStills(facts: ImageFacts | FramesFacts, read: ReadPicture): MediaSource {
  const closing = new AbortController();

  async function* frames(range: FrameRange): AsyncGenerator<MediaFrame, void, undefined> {
    const { width, height, direction, first, end } = checkedRange(facts, range);
    const either = range.signal ? AbortSignal.any([range.signal, closing.signal]) : closing.signal;
    const one = (step: number) => readFrame(facts, read, at(step), { width, height, signal: either });
    const at = (step: number) => (direction === "forward" ? first + step : end - 1 - step);
    const count = end - first;

    // The next picture is read while the consumer works on this one.
    let ahead: Promise<MediaFrame> | undefined;
    for (let step = 0; step < count; step++) {
      either.throwIfAborted();
      const frame = await (ahead ?? one(step));
      either.throwIfAborted();
      ahead = step + 1 < count ? one(step + 1) : undefined;
      ahead?.catch(() => {}); // thrown when the frame is requested
      yield frame;
    }
  }

  return {
    facts,
    frames,
    frame: rememberLastFrame(frames),
    timeOf(index) {
      checkedIndex(facts, index);
      return null;
    },
    async close() {
      closing.abort(new DOMException("the pictures were closed", "AbortError"));
    },
  };
}

/**
 * A frame of a folder. A damaged picture is replaced by the nearest readable one before it or, if there is none, after it. Throws the error of the picture itself when more than `repeatedPictures` in a row are damaged, and
 * for a single picture.
 */
async function readFrame(
  { numFrames }: { numFrames: number },
  read: ReadPicture,
  index: number,
  { signal, ...size }: PixelSize & { signal: AbortSignal },
): Promise<MediaFrame> {
  try {
    return { index, timestampUs: null, rgb: await read(index, size, signal) };
  } catch (error) {
    if (!(error instanceof DamagedPictureError)) throw error;
    const reach = FIXED_LIMITS.repeatedPictures.value;
    const before = range(Math.max(0, index - reach), index).reverse();
    const after = index < reach ? range(index + 1, Math.min(numFrames, index + 1 + reach)) : [];
    for (const other of [...before, ...after]) {
      try {
        return { index, timestampUs: null, rgb: await read(other, size, signal), damaged: true };
      } catch (failure) {
        if (!(failure instanceof DamagedPictureError)) throw failure;
      }
    }
    throw error;
  }
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
}
