/** The server under test: the built command in a process of its own, with its own temporary folder and keys. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Random } from "./random.js";

export interface SoakServer {
  pid: number;
  port: number;
  /** `http://…` and `ws://…/v1`. */
  http: string;
  socket: string;
  /** Everything that the server writes. */
  temporary: string;
  uploads: string;
  /** The key of an owner. */
  key(owner: string): string;
  /** The last lines that the server wrote. */
  output(): string;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

export const OWNERS = ["anna", "ben", "carla", "david"] as const;
/** The sessions of killed clients stay until they are idle: several owners have places for more of them. */
export const LOST_OWNERS = ["lost-0", "lost-1", "lost-2", "lost-3"] as const;
const ALL = [...OWNERS, ...LOST_OWNERS, "fuzz", "files", "slow", "long"];

/** Parts of the inference process. The long session would take hours with that of one of many. */
const WEIGHTS: Record<string, number> = { long: 4 };

/** Short times, so that everything that a client left is gone soon. */
const SETTINGS = {
  MASKLET_IDLE_TIMEOUT_MS: "10000",
  MASKLET_EXPIRY_WARNING_MS: "3000",
  MASKLET_HEARTBEAT_INTERVAL_MS: "10000",
  MASKLET_UPLOAD_LIFETIME_MS: "20000",
  MASKLET_ENGINE_STALL_MS: "5000",
  MASKLET_MAX_REQUESTS_PER_MINUTE: "100000000",
  MASKLET_MAX_REQUESTS_PER_MINUTE_PER_OWNER: "100000000",
  MASKLET_MAX_SAVED_PER_OWNER: "4",
  MASKLET_MAX_SESSIONS: "80",
  MASKLET_LOG_LEVEL: "error",
};

/** @param more settings, by the names of their variables */
export async function startSoakServer(
  random: Random,
  more: Readonly<Record<string, string>> = {},
): Promise<SoakServer> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const temporary = mkdtempSync(join(tmpdir(), "masklet-soak-"));
  const uploads = join(temporary, "uploads");
  const media = join(temporary, "media");
  for (const folder of [uploads, media]) mkdirSync(folder);
  const keys = new Map(ALL.map((name) => [name, `masklet_${random.bytes(32).toString("base64url")}`]));
  const lines = [...keys].map(([name, key]) =>
    [name, "sha256", createHash("sha256").update(key).digest("hex"), WEIGHTS[name] ?? 1].join(":"),
  );
  const keysFile = join(temporary, "keys");
  writeFileSync(keysFile, lines.join("\n"), { mode: 0o600 });

  const main = join(root, "dist/clients/command/main.js");
  if (!existsSync(main)) throw new Error(`${main} does not exist: run \`npm run build\``);
  const child: ChildProcess = spawn(process.execPath, [main, "serve", "--port", "0", "--media-root", media], {
    cwd: root,
    env: {
      ...process.env,
      ...SETTINGS,
      ...more,
      TMPDIR: temporary,
      MASKLET_KEYS: keysFile,
      MASKLET_UPLOAD_DIR: uploads,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let ended = false;
  let isStopping = false;
  const end = new Promise<void>((resolve) =>
    child.on("close", (code, signal) => {
      ended = true;
      if (!isStopping) console.log(`  the server ended with ${code ?? signal}: ${output.slice(-3000)}`);
      resolve();
    }),
  );
  const keep = (text: Buffer) => {
    output = `${output}${text}`.slice(-20_000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const deadline = Date.now() + 120_000;
  let port = 0;
  while (port === 0) {
    port = Number(/masklet serves ws:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1] ?? 0);
    if (ended || Date.now() > deadline) throw new Error(`the server did not start: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    pid: child.pid as number,
    port,
    http: `http://127.0.0.1:${port}`,
    socket: `ws://127.0.0.1:${port}/v1`,
    temporary,
    uploads,
    key: (owner) => keys.get(owner) ?? "",
    output: () => output,
    hasEnded: () => ended,
    async stop() {
      isStopping = true;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 40_000);
      await end;
      clearTimeout(timer);
      rmSync(temporary, { recursive: true, force: true });
    },
  };
}
