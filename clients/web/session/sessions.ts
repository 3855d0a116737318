/** The open videos: one tab each. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type {
  AttachFields,
  LoadFields,
  MaskletClient,
  MaskletSession,
  StartFields,
} from "../../typescript/index.js";
import { linkClient, onServerEvent } from "../connection/link.js";
import { chooseSource, fetchFrameTimes } from "../video/choose-source.js";
import { createOpenSession, type OpenSession } from "./open-session.js";

const list = signal<readonly OpenSession[]>([]);

export const sessions: ReadonlySignal<readonly OpenSession[]> = list;
/** The video on the stage; undefined: the page where videos are brought. */
export const activeSession = signal<OpenSession | undefined>(undefined);

export interface OpenOptions {
  /** For the tab. */
  name: string;
  /** The same bytes as on the server, when this page sent them. */
  file?: Blob;
}

/** @throws Error while the page is not connected */
export function requireClient(): MaskletClient {
  const client = linkClient.peek();
  if (!client) throw new Error("the page is not connected to the server; it connects again by itself");
  return client;
}

export const startVideo = async (fields: StartFields, options: OpenOptions): Promise<OpenSession> =>
  show(await requireClient().startSession({ ...fields, mask_format: "binary" }), options, true);

export const attachVideo = async (fields: AttachFields, options: OpenOptions): Promise<OpenSession> =>
  show(await requireClient().attachSession(fields), options, false);

export const loadVideo = async (fields: LoadFields, options: OpenOptions): Promise<OpenSession> =>
  show(await requireClient().loadSession(fields), options, false);

async function show(
  client: MaskletSession,
  { name, file }: OpenOptions,
  isNew: boolean,
): Promise<OpenSession> {
  const [facts, frameTimesUs] = await Promise.all([client.get(), fetchFrameTimes(client.facts)]);
  const source = await chooseSource(client.facts, frameTimesUs, file);
  const session = createOpenSession({ client, name, facts, frameTimesUs, source, isNew });
  const others = list.peek().filter(({ id }) => id !== session.id);
  for (const old of list.peek()) if (old.id === session.id) old.dispose();
  list.value = [...others, session];
  activeSession.value = session;
  return session;
}

/** Removes the tab. @param end whether the session on the server ends; otherwise it waits there to be attached to again */
export async function closeVideo(session: OpenSession, end: boolean): Promise<void> {
  list.value = list.peek().filter((one) => one !== session);
  if (activeSession.peek() === session) activeSession.value = list.peek().at(-1);
  session.dispose();
  if (end) await session.client.close();
  else await session.client.detach();
}

// An open tab keeps its session.
onServerEvent((event) => {
  if (event.type !== "event" || event.event !== "session_expiring") return;
  const session = list.peek().find(({ id }) => id === event.session_id);
  session?.client.get().catch(() => {});
});
