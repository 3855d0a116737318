/** Opens the session of a job: on a private or a running server, by path or by upload. */
import { basename, dirname } from "node:path";
import { startServer } from "../../server/main.js";
import { connect, type MaskletClient, MaskletError, type MaskletSession } from "../typescript/index.js";
import { CommandError } from "./errors.js";
import type { VideoPath } from "./track-files.js";

export interface OpenSession {
  session: MaskletSession;
  /** Stops what was started and deletes what was uploaded. */
  close(): Promise<void>;
}

/** Starts a server in this process for one video: on a free loopback port, with the video's folder as its media root. */
export async function openPrivateSession({ path, isFolder }: VideoPath): Promise<OpenSession> {
  const mediaRoot = isFolder ? path : dirname(path);
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    mediaRoots: [mediaRoot],
    logLevel: "error",
  });
  try {
    // The server is part of this process: a lost connection means that it is gone.
    const client = await connect(server.url, { reconnect: false });
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

/** Uploads the video to a running server. A folder of pictures must be below a media root of that server. */
export async function openRemoteSession(
  address: string,
  video: VideoPath,
  signal: AbortSignal,
): Promise<OpenSession> {
  const client = await connect(address).catch((cause: Error) => {
    throw new CommandError(`--server: ${cause.message}`, { cause });
  });
  try {
    if (video.isFolder) {
      const session = await client
        .startSession({ resource_path: video.path })
        .catch(
          cannotOpen(video.path, "folders are not sent, so the server must have this one under a media root"),
        );
      return { session, close: () => client.close() };
    }
    return await uploadVideo(client, video.path, signal);
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function uploadVideo(client: MaskletClient, path: string, signal: AbortSignal): Promise<OpenSession> {
  const { upload_id } = await client
    .upload(path, { filename: basename(path), signal })
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

/** @param adviceIfOutside added when the path is not below a media root of the server. */
function cannotOpen(path: string, adviceIfOutside?: string): (cause: Error) => never {
  return (cause) => {
    if (!(cause instanceof MaskletError)) throw cause;
    const outside = cause.code === "resource_forbidden" || cause.code === "resource_not_found";
    const advice = outside && adviceIfOutside ? ` (${adviceIfOutside})` : "";
    throw new CommandError(`${path} cannot be opened: ${cause.message}${advice}`, { cause });
  };
}
