/**
 * The limits of one run of ffmpeg or ffprobe. The system enforces them, so that they also hold for a tool that a hostile
 * file has taken over.
 */

export interface ToolLimits {
  /** Memory that the tool may allocate. */
  memoryBytes: number;
  /** Processor time of all threads together; unlimited if absent, for a run without an end such as a camera. */
  cpuS?: number;
}

const MIB = 1024 ** 2;

/** Descriptors of a tool: its standard streams, the media file, and a few of its own. */
const OPEN_FILES = 64;

/**
 * Threads and processes in a box with a user namespace of its own; elsewhere the system counts all processes of the user.
 * A tool starts a few threads for each processor.
 */
const PROCESSES = 1024;

/** Stack of a thread. Half of the usual 8 MiB, because `memoryBytes` includes the stacks; macOS gives threads 0.5 MiB. */
const STACK_BYTES = 4 * MIB;

/** Address space that a tool reserves without using it: arenas of the allocator and libraries. */
const RESERVED_BYTES = 8 * 1024 * MIB;

/** Time between the signal that asks the tool to end and the one that kills it. */
const CPU_GRACE_S = 5;

/** Memory for the program, the index of the file and packets in flight. */
const BASE_MEMORY_BYTES = 768 * MIB;

/**
 * A decoder holds up to 16 reference pictures and a few more for its threads, and the filters one or two. Measured at 8K with
 * 16 references: 38 bytes per pixel for H.264 in 8 bits, 94 in 10 bits with chroma in full resolution. The limit applies
 * to twice the stated size, see {@link maxPicturePixels}.
 */
const DECODER_BYTES_PER_PIXEL = 64;

/** ffprobe decodes a picture or two to find the format of the pixels. */
const PROBE_BYTES_PER_PIXEL = 24;

/** A slow machine needs seconds for a picture of the largest size in the slowest codec, and this long to start and seek. */
const BASE_CPU_S = 120;
const CPU_S_PER_PICTURE = 0.25;
const CPU_S_PER_PIXEL = 2.5e-7;

/** Reads the index of a file of many gigabytes and of 2,000,000 frames several times over. */
const PROBE_CPU_S = 1200;

/**
 * The most pixels that a picture of a video may have. The size can change inside a video: recordings of calls do so, up to
 * that of a 4K camera. Beyond it, a picture has at most twice the pixels that the header states.
 *
 * @param stated the size of the header
 * @param maxPixels the limit of the server for every picture
 */
export function maxPicturePixels(stated: { width: number; height: number }, maxPixels: number): number {
  // Decoders round sizes up to whole blocks and lines of memory before they compare them with the limit.
  const rounded = (stated.width + 128) * (stated.height + 128);
  const wanted = Math.max(2 * stated.width * stated.height, 4096 * 2304);
  return Math.max(rounded, Math.min(maxPixels, wanted));
}

/** Limits of a run that decodes. They grow with the pictures to be expected, so that no healthy video reaches them. */
export function decoderLimits(run: {
  /** See {@link maxPicturePixels}. */
  maxPicturePixels: number;
  /** Pixels of a picture that the run writes. */
  outputPixels: number;
  /** How many pictures the run decodes at most. */
  pictures: number;
}): ToolLimits {
  const outputBytes = 12 * run.outputPixels;
  const cpuPerPictureS = CPU_S_PER_PICTURE + CPU_S_PER_PIXEL * (run.maxPicturePixels + run.outputPixels);
  return {
    memoryBytes: BASE_MEMORY_BYTES + DECODER_BYTES_PER_PIXEL * run.maxPicturePixels + outputBytes,
    cpuS: Math.ceil(BASE_CPU_S + cpuPerPictureS * run.pictures),
  };
}

/** Memory that one place of a decoder stands for: that of pictures of the usual sizes. */
const BYTES_PER_PLACE = 640 * MIB;

/** Half of the places of an owner by default: a click is decoded beside a stream of the largest pictures. */
const MAX_PLACES = 8;

/**
 * How many places of the share `decoders` a run takes: one, and for pictures above 4K as many as its memory stands for.
 * @param maxPicturePixels see {@link maxPicturePixels}
 */
export function decoderPlaces(maxPicturePixels: number): number {
  const wanted = Math.ceil((DECODER_BYTES_PER_PIXEL * maxPicturePixels) / BYTES_PER_PLACE);
  return Math.max(1, Math.min(MAX_PLACES, wanted));
}

/** Limits of a run that reads the header, the index or the packets of a file whose pictures have at most `maxPixels`. */
export function probeLimits(maxPixels: number): ToolLimits {
  return { memoryBytes: BASE_MEMORY_BYTES + PROBE_BYTES_PER_PIXEL * maxPixels, cpuS: PROBE_CPU_S };
}

/** The largest single allocation (`-max_alloc`): a picture of 8 bytes per pixel, or the index of the longest video. */
export function maxAllocationBytes(pixels: number): number {
  return Math.max(256 * MIB, 8 * pixels);
}

/**
 * Commands of a POSIX shell that set the limits of itself and of what it starts. The kinds that a system does not have, and
 * values above what the server itself may use, are skipped. Without `memoryBytes` memory is unlimited, for a program that
 * reserves far more than it uses.
 */
export function ulimitCommands(
  { memoryBytes, cpuS }: Partial<ToolLimits>,
  { processes }: { processes: boolean },
): string {
  const kib = (bytes: number) => Math.ceil(bytes / 1024);
  const commands = [
    "ulimit -c 0",
    "ulimit -f 0",
    `ulimit -n ${OPEN_FILES}`,
    `ulimit -s ${kib(STACK_BYTES)}`,
    ...(memoryBytes === undefined
      ? []
      : [`ulimit -d ${kib(memoryBytes)}`, `ulimit -v ${kib(memoryBytes + RESERVED_BYTES)}`]),
    // dash and busybox call it p, other shells u.
    ...(processes ? [`ulimit -u ${PROCESSES} || ulimit -p ${PROCESSES}`] : []),
    ...(cpuS === undefined ? [] : [`ulimit -S -t ${cpuS}`, `ulimit -H -t ${cpuS + CPU_GRACE_S}`]),
  ];
  return `{ ${commands.join("; ")}; } 2>/dev/null`;
}
