/** Label Studio as a program: starts it, and creates projects, media and tasks by its API. */
import { spawn } from "node:child_process";
import { openAsBlob } from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { waitFor } from "./outcome.js";

export const TOKEN = "0123456789abcdef0123456789abcdef01234567";
export const USER = { email: "masklet@example.org", password: "pass-word-1" };

// biome-ignore lint/suspicious/noExplicitAny: answers of Label Studio
export type Json = any;

export interface Studio {
  url: string;
  /** @throws Error with the status and the text of a refused request */
  api(method: string, path: string, body?: object): Promise<Json>;
  stop(): void;
}

/** A port of the loopback address that no program uses at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return address.port;
}

/**
 * @param python of the environment in which Label Studio is installed
 * @param dataFolder is kept between runs, because the first start takes a minute to create the database
 */
export async function startStudio(python: string, dataFolder: string, port: number): Promise<Studio> {
  const program = join(dirname(python), "label-studio");
  const network = ["--no-browser", "--internal-host", "127.0.0.1", "--port", String(port)];
  const user = ["--username", USER.email, "--password", USER.password, "--user-token", TOKEN];
  const child = spawn(program, ["start", ...network, ...user], {
    env: {
      ...process.env,
      LABEL_STUDIO_BASE_DATA_DIR: dataFolder,
      LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN: "true",
      ML_BLOCK_LOCAL_IP: "false",
      SSRF_PROTECTION_ENABLED: "false",
      COLLECT_ANALYTICS: "false",
      LATEST_VERSION_CHECK: "false",
      SENTRY_DSN: "",
    },
    stdio: "ignore",
  });
  const stop = () => void child.kill();
  const url = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok || undefined,
      () => {
        if (child.exitCode !== null) throw new Error(`label-studio ended with the status ${child.exitCode}.`);
        return undefined;
      },
    );
  try {
    await waitFor("answer of Label Studio", 420, isUp);
  } catch (error) {
    stop();
    throw error;
  }
  return { url, api: createApi(url), stop };
}

const createApi =
  (url: string): Studio["api"] =>
  async (method, path, body) => {
    const isForm = body instanceof FormData;
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Token ${TOKEN}`, ...(!isForm && { "content-type": "application/json" }) },
      ...(body && { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 400)}`);
    return text ? JSON.parse(text) : undefined;
  };

/** A project with a backend. Returns its id. */
export async function createProject(
  { api }: Studio,
  title: string,
  label_config: string,
  backend: string,
): Promise<number> {
  const project = await api("POST", "/api/projects/", {
    ...{ title, label_config },
    ...{ show_collab_predictions: false, evaluate_predictions_automatically: false },
  });
  await api("POST", "/api/ml", { url: backend, project: project.id, title: "masklet", is_interactive: true });
  return project.id;
}

/** Uploads a file. Returns the path by which tasks name it. */
export async function uploadFile({ api }: Studio, project: number, path: string): Promise<string> {
  const form = new FormData();
  form.append("file", await openAsBlob(path), basename(path));
  const imported = await api("POST", `/api/projects/${project}/import?commit_to_project=false`, form);
  const { file } = await api("GET", `/api/import/file-upload/${imported.file_upload_ids[0]}`);
  return `/data/${file}`;
}

export async function createTask({ api }: Studio, project: number, data: object): Promise<number> {
  return (await api("POST", "/api/tasks/", { project, data })).id;
}
