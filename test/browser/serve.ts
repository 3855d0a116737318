/** A server as a process of its own, with folders that outlive it, so that a test can kill it and start it again. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface ServedPage {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  /** Resolves when the server answers. */
  start(env?: NodeJS.ProcessEnv): Promise<void>;
  /** Ends it without a chance to save anything. */
  kill(): Promise<void>;
  /** As Ctrl-C does. */
  stop(): Promise<void>;
  /** Stops it and deletes its folders. */
  dispose(): Promise<void>;
}

/** @param mediaRoot folder whose files the page can open by path */
export async function servePage(mediaRoot: string, settings: NodeJS.ProcessEnv = {}): Promise<ServedPage> {
  const data = mkdtempSync(join(tmpdir(), "masklet-test-browser-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  let server: ChildProcess | undefined;

  async function end(signal: NodeJS.Signals): Promise<void> {
    const process = server;
    server = undefined;
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const closed = new Promise((resolve) => process.once("close", resolve));
    process.kill(signal);
    await closed;
  }

  return {
    url,
    async start(env = {}) {
      const child = spawn(
        process.execPath,
        ["dist/clients/command/main.js", "serve", "--port", String(port), "--media-root", mediaRoot],
        {
          cwd: root,
          env: {
            ...process.env,
            MASKLET_UPLOAD_DIR: join(data, "uploads"),
            MASKLET_SAVE_DIR: join(data, "saved"),
            MASKLET_DRAIN_MS: "2000",
            ...settings,
            ...env,
          },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      server = child;
      let log = "";
      child.stderr?.on("data", (data) => {
        log += data;
      });
      await new Promise<void>((resolve, reject) => {
        child.stdout?.on("data", (data) => {
          if (String(data).includes("masklet serves")) resolve();
        });
        child.once("close", (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
      });
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGINT"),
    async dispose() {
      await end("SIGINT");
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
