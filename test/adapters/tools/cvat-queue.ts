/** The part of CVAT's HTTP interface that cvat-cli 2.80 and cvat-sdk 2.80 use, over a folder of JPEG files. Requests of agents come from a list. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { HEIGHT, WIDTH } from "./clip.js";

// biome-ignore lint/suspicious/noExplicitAny: bodies of CVAT
type Json = any;

export const TASK = 7;
export const FUNCTION = 5;
const ADDRESS = "http://cvat.example/";
const TIME = "2026-01-01T00:00:00Z";

interface TaskForm {
  /** Label names by id. */
  labels: Readonly<Record<number, string>>;
  width: number;
  height: number;
}

const CLIP: TaskForm = { labels: { 1: "red circle", 2: "square" }, width: WIDTH, height: HEIGHT };

/** The end of an annotation request: its result, or the sentence that an annotator gets. */
export interface Ended {
  result?: Json;
  failure?: string;
}

export interface CvatQueue {
  url: string;
  /** Label names by id. */
  labels: Readonly<Record<number, string>>;
  /** Requests in the order in which agents get them. `params` has the results so far. */
  requests: ((ended: readonly Ended[]) => Json)[];
  ended: Ended[];
  /** Of annotations that were uploaded. */
  uploads: Json[];
  /** Paths without a route. */
  unknown: string[];
  /** A sentence when an agent has had a request for this time without its end. */
  problem(seconds: number): string | undefined;
  close(): Promise<void>;
}

/** @param given what differs from the drawn clip */
export async function startCvatQueue(
  frames: readonly string[],
  given: Partial<TaskForm> = {},
): Promise<CvatQueue> {
  const { labels, width, height }: TaskForm = { ...CLIP, ...given };
  const queue: Omit<CvatQueue, "url" | "close" | "problem"> = {
    ...{ labels, requests: [], ended: [], uploads: [], unknown: [] },
  };
  let created: Json;
  let taken: { type: string; sinceMs: number } | undefined;

  const person = { url: ADDRESS, id: 1, username: "u", first_name: "", last_name: "" };
  const user = {
    ...{ ...person, email: "u@example.org", groups: [], last_login: null, date_joined: TIME },
    ...{ is_staff: false, is_superuser: false, is_active: true, is_verified: true },
    has_analytics_access: false,
  };
  const task = {
    ...{ url: ADDRESS, id: TASK, name: "clip", project_id: null, mode: "interpolation", owner: person },
    ...{ assignee: null, bug_tracker: "", created_date: TIME, updated_date: TIME, overlap: 0 },
    ...{ segment_size: frames.length, status: "annotation", data_chunk_size: 36, guide_id: null },
    ...{ data_compressed_chunk_type: "imageset", data_original_chunk_type: "video", size: frames.length },
    ...{ image_quality: 70, data: 1, dimension: "2d", subset: "", organization: null },
    ...{ target_storage: null, source_storage: null, assignee_updated_date: null, validation_mode: null },
    ...{ consensus_enabled: false, organization_id: null, labels: { url: ADDRESS } },
    jobs: { url: ADDRESS, count: 1, completed: 0, validation: 0 },
  };
  const meta = {
    ...{ chunk_size: 36, size: frames.length, image_quality: 70, start_frame: 0, frame_filter: "" },
    ...{ stop_frame: frames.length - 1, deleted_frames: [], included_frames: null },
    ...{ cloud_storage_id: null, storage: "local", storage_method: "cache", media_type: "video" },
    ...{ sorting_method: "lexicographical", server_files: [], chunks_updated_date: TIME },
    frames: [{ width, height, name: "clip.mp4", related_files: 0 }],
  };
  const labelPage = {
    ...{ count: 2, next: null, previous: null },
    results: Object.entries(labels).map(([id, name]) => ({
      ...{ id: Number(id), name, color: "#ff0000", attributes: [], type: "any", sublabels: [] },
      ...{ task_id: TASK, has_parent: false },
    })),
  };

  function answer(method: string, url: URL, body: Json): Json {
    const path = url.pathname.replace(/\/$/, "");
    if (path === "/api/server/about")
      return { name: "CVAT", description: "", version: "2.80.0", logo_url: "", subtitle: "" };
    if (path === "/api/users/self") return user;
    if (path === "/api/functions" && method === "POST") {
      const defaults = { min_neg_points: -1, startswith_box: false, startswith_box_optional: false };
      const labels_v2 = body.labels_v2?.map((label: Json) => ({ attributes: [], type: "any", ...label }));
      created = { ...defaults, ...body, ...(labels_v2 && { labels_v2 }), id: FUNCTION };
      return created;
    }
    if (path === `/api/functions/${FUNCTION}`) return created;
    if (path.endsWith("/requests/acquire")) {
      if (body.request_category !== "interactive") return { ar_assignment: null };
      const next = queue.requests.shift();
      if (!next) return { ar_assignment: null };
      const ar_params = { task: TASK, ...next(queue.ended) };
      taken = { type: ar_params.type, sinceMs: Date.now() };
      return { ar_assignment: { ar_id: `ar${queue.ended.length}`, ar_params } };
    }
    const end = /\/requests\/[^/]+\/(complete|fail|update)$/.exec(path)?.[1];
    if (end) {
      const { agent_id: _, exc_info, ...result } = body ?? {};
      if (end !== "update") taken = undefined;
      if (end === "complete") queue.ended.push({ result });
      if (end === "fail") queue.ended.push({ failure: exc_info });
      return {};
    }
    if (path === `/api/tasks/${TASK}/annotations`) {
      queue.uploads.push({ action: url.searchParams.get("action"), ...body });
      return { version: 1, tags: [], shapes: [], tracks: [] };
    }
    if (path === `/api/tasks/${TASK}`) return task;
    if (path === `/api/tasks/${TASK}/data/meta`) return meta;
    if (path === "/api/labels") return labelPage;
    return undefined;
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const frame = frames[Number(url.searchParams.get("number"))];
    if (url.pathname.startsWith(`/api/tasks/${TASK}/data`) && url.searchParams.has("number") && frame) {
      response.writeHead(200, { "content-type": "image/jpeg" }).end(readFileSync(frame));
      return;
    }
    const text = Buffer.concat(parts).toString();
    const found = answer(request.method ?? "", url, text ? JSON.parse(text) : undefined);
    if (found === undefined) queue.unknown.push(`${request.method} ${request.url}`);
    const status = found === undefined ? 404 : 200;
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify(found ?? { detail: "Not found." }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(queue, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    problem: (seconds: number) =>
      taken && taken.sinceMs <= Date.now() - 1000 * seconds
        ? `The agent has not ended the request ${taken.type} for ${seconds} seconds.`
        : undefined,
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}
