/** Opens the session of a job: on a private or a running server, by path or by upload. */
import { basename, dirname } from "node:path";
import { createKey } from "../../server/keys/key.js";
import { keyLine } from "../../server/keys/key-lines.js";
import { startServer } from "../../server/main.js";
import { connect, type MaskletClient, MaskletError, type MaskletSession } from "../typescript/index.js";
import { CommandError } from "./errors.js";
import type { VideoPath } from "./track-files.js";
import { openUploadSource } from "./upload-source.js";

export interface OpenSession {
  session: MaskletSession;
  /** Stops what was started and deletes what was uploaded. */
  close(): Promise<void>;
}

/**
 * Starts a server in this process for one video: on a free loopback port, with the video's folder as its media root. Its key
 * is known to this process only, so that other users of the machine cannot use it.
 */
export async function openPrivateSession({ path, isFolder }: VideoPath): Promise<OpenSession> {
  const mediaRoot = isFolder ? path : dirname(path);
  const key = createKey();
  const server = await startServer({
    keysFile: keyLine("command", key),
    host: "127.0.0.1",
    port: 0,
    mediaRoots: [mediaRoot],
    logLevel: "error",
  });
  try {
    // The server is part of this process: a lost connection means that it is gone.
    const client = await connect(server.url, { key, reconnect: false });
    const session = await client.startSession({ resource_path: path }).catch(cannotOpen(path));
    return {
      session,
      async close() {
        await client.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Uploads the video to a running server. */
export async function openRemoteSession(
  { address, key }: { address: string; key: string | undefined },
  video: VideoPath,
  signal: AbortSignal,
): Promise<OpenSession> {
  const client = await connect(address, { key }).catch((cause: Error) => {
    throw new CommandError(`--server: ${cause.message}`, { cause });
  });
  try {
    return await uploadVideo(client, video, signal);
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function uploadVideo(
  client: MaskletClient,
  video: VideoPath,
  signal: AbortSignal,
): Promise<OpenSession> {
  const { path } = video;
  const { upload_id } = await client
    .uploadResumable(await openUploadSource(video), { filename: basename(path), signal })
    .catch(cannotOpen(path));
  const remove = () => client.deleteUpload(upload_id);
  try {
    const session = await client.startSession({ upload_id }).catch(cannotOpen(path));
    return {
      session,
      async close() {
        await client.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function cannotOpen(path: string): (cause: Error) => never {
  return (cause) => {
    if (!(cause instanceof MaskletError)) throw cause;
    throw new CommandError(`${path} cannot be opened: ${cause.message}`, { cause });
  };
}
