/** The part of CVAT's HTTP interface that the upload of tracks uses. */
import { CommandError } from "./errors.js";

interface Task {
  size: number;
}

interface Meta {
  frames: { width: number; height: number }[];
}

interface Labels {
  next: string | null;
  results: { id: number; name: string }[];
}

/** Labels in one answer. */
const PAGE_SIZE = 100;

export interface CvatTask {
  /** Number of frames. */
  size: number;
  width: number;
  height: number;
  /** Ids by name, in the order of the task. */
  labels: ReadonlyMap<string, number>;
}

export interface CvatServer {
  /** @throws CommandError */
  readTask(task: number): Promise<CvatTask>;
  /** Adds tracks to the annotations of a task. @throws CommandError */
  addTracks(task: number, tracks: readonly unknown[]): Promise<void>;
}

/** @param token of a user who may change the task; undefined: none is sent */
export function cvatServer(address: string, token: string | undefined, signal: AbortSignal): CvatServer {
  async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(new URL(path, address), {
      method,
      signal,
      headers: {
        accept: "application/vnd.cvat+json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((cause: Error) => {
      if (signal.aborted) throw cause;
      throw new CommandError(`--cvat: ${address} cannot be reached.`, { cause });
    });
    const text = await response.text();
    if (!response.ok) throw new CommandError(refusal(response.status, text, token));
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new CommandError(`--cvat: ${address} is no CVAT: its answer is no JSON.`, { cause });
    }
  }

  async function get<T>(path: string, isValid: (value: T) => boolean): Promise<T> {
    const value = (await ask("GET", path)) as T;
    if (typeof value === "object" && value !== null && isValid(value)) return value;
    throw new CommandError(`--cvat: ${address} is no CVAT: its answer to ${path} has another form.`);
  }

  return {
    async readTask(task) {
      const { size } = await get<Task>(`/api/tasks/${task}`, (value) => Number.isInteger(value.size));
      const { frames } = await get<Meta>(`/api/tasks/${task}/data/meta`, (value) =>
        Array.isArray(value.frames),
      );
      const labels = new Map<string, number>();
      for (let page = 1; ; page++) {
        const query = `task_id=${task}&page_size=${PAGE_SIZE}&page=${page}`;
        const { next, results } = await get<Labels>(`/api/labels?${query}`, (value) =>
          Array.isArray(value.results),
        );
        for (const { name, id } of results) labels.set(name, id);
        if (!next) break;
      }
      const [{ width, height } = { width: 0, height: 0 }] = frames;
      return { size, width, height, labels };
    },
    async addTracks(task, tracks) {
      await ask("PATCH", `/api/tasks/${task}/annotations/?action=create`, { tracks });
    },
  };
}

function refusal(status: number, text: string, token: string | undefined): string {
  if (status === 401) {
    return token === undefined
      ? "CVAT requires a token: set CVAT_ACCESS_TOKEN (your profile, Security, Personal Access Tokens)."
      : "CVAT refuses the token of CVAT_ACCESS_TOKEN.";
  }
  return `CVAT answered with status ${status}: ${text.slice(0, 300)}`;
}
