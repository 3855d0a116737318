/** How `masklet serve` ends: by signals, by a fault, by the end of npm, and by SIGKILL. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect, type RawClient } from "../helpers/client.js";
import { startCommand } from "../helpers/command.js";
import { makeClip, mediaDirectory } from "../helpers/media.js";
import { until } from "../helpers/settle.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const ADDRESS = /^masklet serves (ws:\S+) .*\n/m;
const CLICK = { points: [[0.5, 0.5]], point_labels: [1] };

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "masklet-stop-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(env: NodeJS.ProcessEnv = {}) {
  const command = startCommand(["serve", "--port", "0", "--media-root", mediaDirectory()], env);
  const [, url = ""] = await command.printed(ADDRESS);
  return { command, url, client: await connect(url) };
}

async function openClicked(client: RawClient) {
  const resource_path = await makeClip({ name: "stop.mp4", frames: 6 });
  const started = await client.expectResponse({ type: "start_session", resource_path });
  await client.expectResponse({
    type: "add_prompt",
    session_id: started.session_id,
    frame_index: 0,
    ...CLICK,
  });
  return { session_id: started.session_id, session_token: started.session_token, resource_path };
}

// Programs with a model to load, which take their time on a busy machine.
describe("masklet serve", { timeout: 180_000 }, () => {
  it("waits for a stream after the first SIGTERM, and ends at once after the second", async () => {
    const { command, client } = await serve();
    const { session_id } = await openClicked(client);
    // Waits for its ack.
    client.send({ type: "propagate_in_video", session_id, window: 1 });
    await client.first((message) => message.type === "frame");
    command.process.kill("SIGTERM");
    await client.first((message) => message.type === "event" && message.event === "server_draining");
    command.process.kill("SIGTERM");
    expect((await command.ended).status).toBe(143);
  });

  it.each([
    ["an exception", "throw new Error('injected')"],
    ["a rejection", "Promise.reject(new Error('injected'))"],
  ])("saves its sessions and exits with 70 after %s that nothing catches", async (_, fault) => {
    const saveDir = await temporaryFolder();
    const program = `process.on("SIGWINCH", () => { ${fault} })`;
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(program)}`;
    const { command, client } = await serve({ NODE_OPTIONS, MASKLET_SAVE_DIR: saveDir });
    const { session_token, resource_path } = await openClicked(client);
    command.process.kill("SIGWINCH");
    const { status, stderr } = await command.ended;
    expect(status).toBe(70);
    expect(stderr).toMatch(/"level":60.*injected/);
    expect(await client.closed).toBe(1001);

    const again = await serve({ MASKLET_SAVE_DIR: saveDir });
    const { saved_id } = await again.client.expectError({ type: "attach_session", session_token });
    expect(
      await again.client.expectResponse({ type: "load_session", saved_id, resource_path }),
    ).toMatchObject({ restored: "exactly", obj_ids: [0] });
  });

  it("continues saved sessions after it was killed and started again", async () => {
    const saveDir = await temporaryFolder();
    const { command, client } = await serve({ MASKLET_SAVE_DIR: saveDir });
    const { session_id, resource_path } = await openClicked(client);
    const { saved_id } = await client.expectResponse({ type: "save_session", session_id });
    command.process.kill("SIGKILL");
    await command.ended;
    const again = await serve({ MASKLET_SAVE_DIR: saveDir });
    expect(
      await again.client.expectResponse({ type: "load_session", saved_id, resource_path }),
    ).toMatchObject({ restored: "exactly", obj_ids: [0] });
  });

  it.runIf(process.platform !== "win32").each(["SIGTERM", "SIGHUP", "SIGKILL"] as const)(
    "ends when the npm process that started it ends by %s",
    async (signal) => {
      const script = "node --import tsx clients/command/main.ts serve --port 0";
      const npm = spawn("npm", ["exec", "--offline", "-c", script], {
        cwd: root,
        stdio: ["ignore", "pipe", "ignore"],
      });
      onTestFinished(() => void npm.kill("SIGKILL"));
      const url = await new Promise<string>((resolve) => {
        createInterface({ input: npm.stdout }).on("line", (line) => {
          const found = /^masklet serves (ws:\S+)/.exec(line);
          if (found?.[1]) resolve(found[1]);
        });
      });
      const address = new URL("/livez", url.replace("ws:", "http:"));
      expect((await fetch(address)).status).toBe(200);
      npm.kill(signal);
      await until(() =>
        fetch(address).then(
          () => false,
          () => true,
        ),
      );
    },
  );
});
