/** Tracks the phrases of a batch through one input. */
import { basename, join } from "node:path";
import { toExportFrame } from "../../../server/exports/log-source.js";
import { type MaskletClient, MaskletError, type MaskletSession } from "../../typescript/index.js";
import { CommandError } from "../errors.js";
import { listFrames } from "../media.js";
import { uploadAndStart } from "../track-session.js";
import type { BatchInput } from "./inputs.js";
import { openResults } from "./results.js";

export interface TrackInputParts {
  client: MaskletClient;
  /** The server reads the files itself; otherwise they are uploaded. */
  isPrivate: boolean;
  /** Of the inputs, absolute. */
  folder: string;
  /** Of the results. */
  stateFolder: string;
  phrases: readonly string[];
  requirePack(pack: string): Promise<void>;
  /** @param share of the frames that are done, 0..1 */
  onFrame(share: number): void;
  signal: AbortSignal;
}

/**
 * @throws MaskletError when the input cannot be tracked, see `isOfInput`; the signal's reason; CommandError for results that cannot be
 * written
 */
export async function trackInput(input: BatchInput, parts: TrackInputParts): Promise<void> {
  const { client, signal } = parts;
  const path = join(parts.folder, input.path);
  const { session, remove } = parts.isPrivate
    ? { session: await client.startSession({ resource_path: path }), remove: async () => {} }
    : await uploadAndStart(client, { path, isFolder: input.kind === "frames" }, signal);
  const cancel = () => void session.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    signal.throwIfAborted();
    await trackSession(input, path, session, parts);
  } finally {
    signal.removeEventListener("abort", cancel);
    await session.close().catch(() => {});
    await remove().catch(() => {});
  }
}

async function trackSession(
  input: BatchInput,
  path: string,
  session: MaskletSession,
  { stateFolder, phrases, requirePack, onFrame, signal }: TrackInputParts,
): Promise<void> {
  const { pack } = await session.get();
  await requirePack(`${pack.id} ${pack.version}`);
  const { width, height, num_frames: numFrames, fps, kind } = session.facts;
  for (const text of phrases) await session.addPrompt({ frame_index: 0, text });
  const results = await openResults(stateFolder, input).catch(cannotWrite);
  try {
    const ids = new Set<number>();
    let count = 0;
    const whole = { start_frame_index: 0, propagation_direction: "forward" } as const;
    for await (const frame of session.propagate(whole)) {
      const { out_obj_ids, out_probs, out_binary_masks = [], out_states } = frame.outputs;
      const outputs = { out_obj_ids, out_probs, out_binary_masks, out_states };
      for (const id of out_obj_ids) ids.add(id);
      await results
        .append(toExportFrame({ ...frame, outputs } as Parameters<typeof toExportFrame>[0]))
        .catch(cannotWrite);
      onFrame(++count / numFrames);
    }
    signal.throwIfAborted();
    if (count !== numFrames)
      throw new CommandError(`The server sent ${count} frames of ${input.path}, expected ${numFrames}.`);
    const { objects } = await session.get();
    const frameFiles = input.kind === "frames" ? await frameNames(path, numFrames) : undefined;
    await results
      .finish({
        facts: {
          ...{ name: input.path, fileName: input.path === "." ? basename(path) : input.path },
          ...{ width, height, numFrames, fps },
          ...(kind === "image" && { isPicture: true }),
        },
        objects: objects
          .filter(({ obj_id }) => ids.has(obj_id))
          .map(({ obj_id: objectId, concept }) => ({
            objectId,
            category: concept ?? phrases[0] ?? "object",
            name: `${concept ?? "object"} ${objectId}`,
          }))
          .sort((a, b) => a.objectId - b.objectId),
        ...(frameFiles && { frameFiles }),
      })
      .catch(cannotWrite);
  } finally {
    await results.close();
  }
}

/** Undefined when the folder has changed since the server opened it. */
async function frameNames(folder: string, numFrames: number): Promise<string[] | undefined> {
  const files = await listFrames(folder);
  return files.length === numFrames ? files.map(({ name }) => name) : undefined;
}

function cannotWrite(cause: Error): never {
  throw new CommandError(`The results cannot be written: ${cause.message}.`, { cause });
}

/** Errors that concern the server and not one input: a further input would fail as well. */
const SERVER_ERRORS = new Set<string>([
  ...["connection_failed", "connection_lost", "unauthenticated", "shutting_down", "engine_unavailable"],
  ...["session_detached", "origin_forbidden", "host_forbidden", "disk_full", "quota_exceeded"],
]);

export function isOfInput(error: unknown): error is MaskletError {
  return error instanceof MaskletError && !SERVER_ERRORS.has(error.code);
}
