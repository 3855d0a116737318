import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { ProtocolError } from "../../protocol/errors.js";
import { mediaUnsupported } from "./errors.js";
import type { MediaLimits } from "./limits.js";
import { naturalOrder } from "./natural-order.js";
import { checkedIndex, checkedRange, rememberLastFrame } from "./range.js";
import { isUnder } from "./resource.js";
import type { FrameRange, MediaFrame, MediaSource, OpenMediaOptions, StillsFacts } from "./source.js";
import { probeStill, readStill } from "./stills.js";

const EXTENSIONS = new Set([".jpg", ".jpeg", ".png", ".webp"]);

/** Headers that are read at the same time while a folder is opened. */
const PROBES_AT_ONCE = 8;

/** A single picture as a video of one frame. */
export async function openImage(path: string, limits: MediaLimits): Promise<MediaSource> {
  const { format, ...size } = await probeStill(path, "The picture", limits);
  const facts: StillsFacts = {
    kind: "image",
    ...size,
    numFrames: 1,
    fps: null,
    durationS: null,
    codec: format,
  };
  return openStills(facts, [{ path, name: "The picture" }], limits);
}

/**
 * A folder of JPEG, PNG or WebP files as a video. Files are sorted in natural order (`2.jpg` before `10.jpg`), and the
 * frame index is the rank; the numbering may have gaps. Hidden files, other files and sub-folders are ignored.
 *
 * Every picture must have the size of the first one, because masks and coordinates refer to one size. All headers are
 * checked here, so that a picture of another size is reported before any work is done.
 */
export async function openFrameFolder(
  folder: string,
  limits: MediaLimits,
  options: OpenMediaOptions,
): Promise<MediaSource> {
  const stills = await listStills(folder, options.mediaRoots ?? []);
  const [firstStill] = stills;
  if (!firstStill) throw mediaUnsupported("The folder contains no JPEG, PNG or WebP pictures.");
  if (stills.length > limits.maxFrames)
    throw mediaUnsupported(`The folder contains more than ${limits.maxFrames} pictures.`);

  const { format, ...size } = await probeStill(firstStill.path, firstStill.name, limits);
  for (let i = 1; i < stills.length; i += PROBES_AT_ONCE) {
    options.signal?.throwIfAborted();
    await Promise.all(
      stills.slice(i, i + PROBES_AT_ONCE).map(async ({ path, name }) => {
        const other = await probeStill(path, name, limits);
        if (other.width === size.width && other.height === size.height) return;
        throw mediaUnsupported(
          `${name} is ${other.width}×${other.height}, but the first picture, ${firstStill.name}, is ` +
            `${size.width}×${size.height}; all frames must have one size.`,
        );
      }),
    );
  }
  const facts: StillsFacts = {
    ...{ kind: "frames", ...size, numFrames: stills.length },
    ...{ fps: null, durationS: null, codec: format },
  };
  return openStills(facts, stills, limits);
}

interface Still {
  path: string;
  /** Its name in error messages. */
  name: string;
}

/** The pictures of a folder in natural order, with links resolved. */
async function listStills(folder: string, mediaRoots: readonly string[]): Promise<Still[]> {
  const stills: Still[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const { name } = entry;
    if (name.startsWith(".") || !EXTENSIONS.has(extname(name).toLowerCase())) continue;
    const path = join(folder, name);
    if (entry.isFile()) stills.push({ path, name });
    else if (entry.isSymbolicLink()) stills.push({ path: await followLink(path, mediaRoots), name });
  }
  return stills.sort((a, b) => naturalOrder(a.name, b.name));
}

/** The target of a link, which must be a file under a media root. The error is the same whether or not the target exists. */
async function followLink(path: string, mediaRoots: readonly string[]): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real !== null && mediaRoots.some((root) => isUnder(real, root)) && (await stat(real)).isFile())
    return real;
  throw new ProtocolError(
    "resource_forbidden",
    `${basename(path)} is a link to something that is not a file under a media root.`,
  );
}

function openStills(facts: StillsFacts, stills: Still[], limits: MediaLimits): MediaSource {
  const closing = new AbortController();

  async function* frames(range: FrameRange): AsyncGenerator<MediaFrame, void, undefined> {
    const { width, height, direction, first, end } = checkedRange(facts, range);
    const either = range.signal ? AbortSignal.any([range.signal, closing.signal]) : closing.signal;
    const read = async (index: number): Promise<MediaFrame> => {
      const still = stills[index] as Still;
      return {
        index,
        timestampUs: null,
        rgb: await readStill(still.path, still.name, { width, height }, limits),
      };
    };
    const at = (step: number) => (direction === "forward" ? first + step : end - 1 - step);
    const count = end - first;

    // The next picture is read while the consumer works on this one.
    let ahead: Promise<MediaFrame> | undefined;
    for (let step = 0; step < count; step++) {
      either.throwIfAborted();
      const frame = await (ahead ?? read(at(step)));
      either.throwIfAborted();
      ahead = step + 1 < count ? read(at(step + 1)) : undefined;
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
