/** Checks command lines of the documents against the command's own table of options, scripts and files. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { createProgram } from "../../clients/command/program.js";
import { readTrackJob, type TrackArguments } from "../../clients/command/track-options.js";
import { root } from "../../docs/site/pages.mjs";
import {
  EXPORTS_PATH,
  MEDIA_PATH,
  REQUEST_PATH,
  SAVED_PATH,
  SESSIONS_PATH,
  STREAM_REQUEST_PATH,
  TUS_PATH,
  UPLOADS_PATH,
} from "../../protocol/index.js";
import { EXPORT_FORMATS } from "../../server/exports/formats.js";
import { IMPORT_FORMATS } from "../../server/imports/formats.js";
import { commandsOf } from "../helpers/shell-words.js";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

/** Programs of the system; their options are not checked. */
const SYSTEM = new Set(
  "cd cp mkdir touch export tar sudo systemctl docker git ffmpeg ffprobe kill hf ruff source echo uname ls for apt-get brew nvm wget unzip xanylabeling label-studio labelme cvat-cli sed yarn".split(
    " ",
  ),
);

/** One sentence for each command of a sample that would fail. */
export async function shellProblems(code: string): Promise<string[]> {
  const problems: string[] = [];
  for (const words of commandsOf(code)) {
    const problem = await problemOf(words);
    if (problem !== undefined) problems.push(`${words.join(" ")}: ${problem}`);
  }
  return problems;
}

async function problemOf([program = "", ...args]: string[]): Promise<string | undefined> {
  if (SYSTEM.has(program)) return undefined;
  switch (program.replace(/^.*\/bin\//, "")) {
    case "npx":
      return args[0] === "masklet" ? maskletProblem(args.slice(1)) : `npx ${args[0]} is unknown`;
    case "masklet":
      return maskletProblem(args);
    case "npm":
      return npmProblem(args);
    case "node":
    case "sh":
    case "python":
    case "python3":
      return scriptProblem(args);
    case "pip":
      return pathProblem(args.find((word) => word.startsWith("./"))?.replace(/\[[\w,-]+\]$/, ""));
    case "curl":
      return curlProblem(args);
    default:
      return program.startsWith("$") ? undefined : `the program ${program} is unknown`;
  }
}

async function maskletProblem(args: string[]): Promise<string | undefined> {
  const program = createProgram();
  stub(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The commands only check their arguments. */
function stub(command: Command): void {
  for (const one of command.commands) {
    if (one.commands.length === 0) one.action((...given: unknown[]) => checkValues(one.name(), given));
    stub(one);
  }
}

function checkValues(name: string, given: unknown[]): void {
  const options = given.at(-2) as Record<string, unknown>;
  if (name === "track") readTrackJob(String(given[0]), options as TrackArguments);
  const formats = { export: EXPORT_FORMATS, import: IMPORT_FORMATS }[name];
  const ids = formats?.map(({ id }) => id);
  if (ids && !ids.includes(String(options.format)))
    throw new Error(`${options.format} is none of ${ids.join(", ")}`);
}

function npmProblem([verb = "", name = ""]: string[]): string | undefined {
  if (["install", "ci", "pack", "config", "cache"].includes(verb)) return undefined;
  const script = verb === "run" ? name : verb;
  return script in scripts ? undefined : `package.json has no script ${script}`;
}

/** A script by its path, or `-m MODULE`: a folder or file of training/, or a tool of Python. */
function scriptProblem(args: string[]): string | undefined {
  const given = args[0] === "--import" ? args.slice(2) : args;
  if (given[0] !== "-m") return given[0]?.startsWith("-") ? undefined : pathProblem(given[0]);
  const name = given[1] ?? "";
  if (["venv", "pip", "pytest", "http.server"].includes(name)) return undefined;
  const path = join(root, "training", ...name.split("."));
  return existsSync(path) || existsSync(`${path}.py`) ? undefined : `there is no Python module ${name}`;
}

function pathProblem(path: string | undefined): string | undefined {
  if (path === undefined || /^[A-Z]+$/.test(path)) return undefined;
  return existsSync(join(root, path)) || /\.tgz$/.test(path) ? undefined : `there is no ${path}`;
}

const SESSION_PARTS = [
  "export/[a-z-]+",
  "import",
  "frame-times",
  "media",
  "frames",
  "frames/\\d+.jpeg",
  "results",
];
const ROUTES = [
  ...["/", "/livez", "/readyz", "/healthz", "/metrics"],
  ...[REQUEST_PATH, STREAM_REQUEST_PATH, UPLOADS_PATH, TUS_PATH, EXPORTS_PATH, SAVED_PATH, MEDIA_PATH],
  ...[SESSIONS_PATH, `(?:${UPLOADS_PATH}|${SAVED_PATH})/[^/]+`],
  ...SESSION_PARTS.map((part) => `${SESSIONS_PATH}/[^/]+/${part}`),
].map((route) => new RegExp(`^${route}$`));

function curlProblem(args: string[]): string | undefined {
  const address = args.find((word) => /^https?:/.test(word));
  if (address === undefined) return "it names no address";
  const { pathname } = new URL(address);
  return ROUTES.some((route) => route.test(pathname)) ? undefined : `the server has no ${pathname}`;
}
