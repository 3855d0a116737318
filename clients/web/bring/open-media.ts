/** Uploads and opens videos, with progress. */
import { signal } from "@preact/signals";
import {
  type EventMessage,
  type MaskletClient,
  MaskletError,
  type UploadFacts,
} from "../../typescript/index.js";
import { messageOf } from "../app/message-of.js";
import { dismiss, type Notice, notify } from "../app/notices.js";
import { linkClient, onServerEvent } from "../connection/link.js";
import { serverFacts } from "../connection/server-facts.js";
import { startVideo } from "../session/sessions.js";
import { checkFiles, sizeText } from "./check-file.js";

export interface Opening {
  name: string;
  step: string;
  /** 0 to 1; undefined: unknown. */
  fraction: number | undefined;
  cancel?: () => void;
}

/** What is being uploaded or opened. */
export const opening = signal<Opening | undefined>(undefined);

export async function openPath(path: string, name: string): Promise<void> {
  await opened(name, async () => {
    await start({ resource_path: path }, name);
  });
}

/** @param folder the name of the folder that contains the files */
export async function openFiles(files: readonly File[], folder?: string): Promise<void> {
  const given = checkFiles(files, serverFacts.peek()?.limits.maxUploadBytes);
  if (given.kind === "refused") {
    report({ kind: "error", title: given.title, detail: given.detail });
    return;
  }
  const name = folder ?? given.name;
  await opened(name, async (client, signal, cancel) => {
    const [first] = files;
    if (given.kind === "file" && first) {
      const facts = await sendFile(client, first, signal, cancel);
      await start({ upload_id: facts.upload_id }, name, first);
      return;
    }
    opening.value = {
      name,
      step: `Sending ${sizeText(files.reduce((sum, { size }) => sum + size, 0))}`,
      fraction: undefined,
      cancel,
    };
    const facts = await client.upload(
      files.map((file) => ({ name: file.name, content: file })),
      { filename: name, signal },
    );
    await start({ upload_id: facts.upload_id }, name);
  });
}

/** Interrupted uploads of this tab, by the file's identity: dropping the file again continues them. */
const unfinished = new Map<string, string>();

async function sendFile(
  client: MaskletClient,
  file: File,
  signal: AbortSignal,
  cancel: () => void,
): Promise<UploadFacts> {
  const identity = `${file.name} ${file.size} ${file.lastModified}`;
  const address = unfinished.get(identity);
  const show = (sent: number, step = `Sending ${sizeText(sent)} of ${sizeText(file.size)}`) => {
    opening.value = { name: file.name, step, fraction: file.size === 0 ? 1 : sent / file.size, cancel };
  };
  show(0);
  const send = (from?: string) =>
    client.uploadResumable(file, {
      filename: file.name,
      signal,
      onProgress: (sent) => show(sent),
      onRetry: () => {
        opening.value = {
          name: file.name,
          step: "The connection was lost. The upload continues by itself.",
          fraction: undefined,
          cancel,
        };
      },
      onAddress: (given) => unfinished.set(identity, given),
      ...(from !== undefined && { address: from }),
    });
  const facts = await send(address).catch((error) => {
    // The server has dropped what it had: from the start.
    if (address !== undefined && error instanceof MaskletError && error.code === "upload_not_found")
      return send();
    throw error;
  });
  unfinished.delete(identity);
  return facts;
}

async function start(
  fields: { resource_path: string } | { upload_id: string },
  name: string,
  file?: File,
): Promise<void> {
  opening.value = { name, step: "Opening the video", fraction: undefined };
  const session_id = `page-${crypto.randomUUID()}`;
  const stop = onServerEvent((event: EventMessage) => {
    if (event.event !== "session_opening" || event.session_id !== session_id) return;
    const step = event.stage === "index" ? "Reading the file" : "Checking every picture";
    opening.value = { name, step, fraction: event.fraction };
  });
  try {
    await startVideo({ ...fields, session_id }, { name, ...(file && { file }) });
  } finally {
    stop();
  }
}

/** Messages about earlier files. They end when the next one is opened. */
const reported: number[] = [];
const report = (notice: Notice) => void reported.push(notify(notice));

async function opened(
  name: string,
  work: (client: MaskletClient, signal: AbortSignal, cancel: () => void) => Promise<void>,
): Promise<void> {
  const client = linkClient.peek();
  if (!client) {
    report({
      kind: "error",
      title: "The page is not connected",
      detail: "It connects again by itself. Try again then.",
    });
    return;
  }
  if (opening.peek()) {
    report({
      kind: "info",
      title: "Another video is being opened",
      detail: "Wait until it is open, or cancel it.",
    });
    return;
  }
  for (const id of reported.splice(0)) dismiss(id);
  const aborting = new AbortController();
  const cancel = () => aborting.abort(new DOMException("cancelled", "AbortError"));
  opening.value = { name, step: "Starting", fraction: undefined, cancel };
  try {
    await work(client, aborting.signal, cancel);
  } catch (error) {
    if (aborting.signal.aborted) {
      report({
        kind: "info",
        title: "The upload was cancelled",
        detail: "The server keeps what it has for a while: open the same file to continue.",
      });
    } else {
      report({ kind: "error", title: `${name} could not be opened`, detail: messageOf(error) });
    }
  } finally {
    opening.value = undefined;
  }
}
