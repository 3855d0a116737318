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
  const { client, close } = await openPrivateServer(isFolder ? path : dirname(path));
  try {
    return { session: await client.startSession({ resource_path: path }).catch(cannotOpen(path)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param mediaRoot the folder whose files it opens */
export async function openPrivateServer(
  mediaRoot: string,
): Promise<{ client: MaskletClient; close(): Promise<void> }> {
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
    return {
      client,
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
  server: ServerAddress,
  video: VideoPath,
  signal: AbortSignal,
): Promise<OpenSession> {
  const client = await connectTo(server);
  try {
    const { session, remove } = await uploadAndStart(client, video, signal).catch(cannotOpen(video.path));
    return {
      session,
      async close() {
        await client.close();
        await remove();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

export interface ServerAddress {
  address: string;
  key: string | undefined;
}

/** @throws CommandError when the server cannot be reached */
export function connectTo({ address, key }: ServerAddress): Promise<MaskletClient> {
  return connect(address, { key }).catch((cause: Error) => {
    throw new CommandError(`--server: ${cause.message}`, { cause });
  });
}

/** @returns the session, and the function that deletes the upload */
export async function uploadAndStart(
  client: MaskletClient,
  video: VideoPath,
  signal: AbortSignal,
): Promise<{ session: MaskletSession; remove(): Promise<void> }> {
  const source = await openUploadSource(video);
  const { upload_id } = await client.uploadResumable(source, { filename: basename(video.path), signal });
  const remove = () => client.deleteUpload(upload_id);
  try {
    return { session: await client.startSession({ upload_id }), remove };
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
