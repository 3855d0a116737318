/** `masklet serve` as a process. */
import { mkdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { connect } from "../../clients/typescript/index.js";
import { callCommand, startCommand } from "../helpers/command.js";
import { makeClip, mediaPath } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";
import { copyCompactPack } from "../helpers/tiny-pack.js";

// Programs with a model to load, which take their time on a busy machine.
describe("masklet serve", { timeout: 180_000 }, () => {
  it("reports its address in one line, serves its media roots, and stops on SIGTERM", async () => {
    const root = mediaPath("serve");
    await makeClip({ name: "serve/inside.mp4", frames: 2 });
    const outside = await makeClip({ name: "outside.mp4", frames: 2 });
    const command = startCommand(["serve", "--port", "0", "--media-root", root]);
    const [line, url = ""] = await command.printed(/^masklet serves (ws:\S+) .*\n/);
    expect(line).toMatch(/pack compact \S+ on cpu/);
    expect(line).toContain(`media roots: ${root}`);

    // Without reconnection, which tries for minutes to reach a server that is gone.
    const client = await connect(url, { reconnect: false });
    const session = await client.startSession({ resource_path: "inside.mp4" });
    expect(session.facts.num_frames).toBe(2);
    await expect(client.startSession({ resource_path: outside })).rejects.toMatchObject({
      code: "resource_forbidden",
    });
    const health = await fetch(new URL("/healthz", url.replace("ws:", "http:")));
    expect(await health.json()).toMatchObject({ status: "ok", provider: "cpu", sessions: 1 });

    command.process.kill("SIGTERM");
    expect(await client.closed).toMatchObject({ code: 1001 });
    const { status, stdout, stderr } = await command.ended;
    // The only warning is that of an old ffmpeg.
    const warnings = stderr.split("\n").filter((text) => text !== "" && !text.includes("old build"));
    expect({ status, warnings }).toEqual({ status: 0, warnings: [] });
    // The second line is there when the page is built.
    expect(stdout.replace(/^Annotate in a browser: http:\/\/127\.0\.0\.1:\d+\/\n/m, "")).toBe(line);
  });

  it("with --data offers the sample, and keeps uploads and saved sessions when it is killed", async () => {
    const data = mediaPath("data-folder/none");
    const clip = await readFile(await makeClip({ name: "kept.mp4", frames: 3 }));
    const start = async () => {
      const command = startCommand([
        "serve",
        "--port",
        "0",
        "--data",
        data,
        "--media-root",
        mediaPath("data-folder"),
      ]);
      const [, url = ""] = await command.printed(/^masklet serves (ws:\S+) .*\n/);
      return { command, http: url.replace("ws:", "http:").replace(/\/v1$/, "") };
    };
    const ask = async (http: string, request: object) =>
      (await (
        await fetch(`${http}/v1/handle_request`, { method: "POST", body: JSON.stringify(request) })
      ).json()) as Record<string, unknown>;

    const first = await start();
    const sent = await fetch(`${first.http}/v1/uploads?filename=kept.mp4`, { method: "POST", body: clip });
    const { upload_id } = (await sent.json()) as { upload_id: string };
    const { session_id } = await ask(first.http, { type: "start_session", upload_id });
    const mask = { polygons: [[10, 10, 60, 10, 60, 40]] };
    await ask(first.http, { type: "add_prompt", session_id, frame_index: 1, obj_id: 4, mask });
    const { saved_id } = await ask(first.http, { type: "save_session", session_id });
    const listed = async () =>
      (await (await fetch(`${first.http}/v1/media`)).json()) as { entries: { name: string; path: string }[] };
    await until(async () => (await listed()).entries[0]?.name === "Sample");
    const [sample] = (await listed()).entries;
    expect(await ask(first.http, { type: "start_session", resource_path: sample?.path })).toMatchObject({
      width: 640,
      height: 360,
    });
    first.command.process.kill("SIGKILL");
    await first.command.ended;

    const second = await start();
    expect(await ask(second.http, { type: "load_session", saved_id, upload_id })).toMatchObject({
      ...{ num_frames: 3, restored: "exactly", obj_ids: [4], stored_frames: 1 },
    });
    second.command.process.kill("SIGTERM");
    expect((await second.command.ended).status).toBe(0);
  });

  it("takes up another pack on SIGUSR2, and keeps the one it has when that is no good", async () => {
    const pack = await copyCompactPack();
    const command = startCommand(["serve", "--port", "0", "--pack", pack.directory]);
    const [, url = ""] = await command.printed(/^masklet serves (ws:\S+) .*\n/);
    const packOf = async () =>
      (
        (await (await fetch(new URL("/healthz", url.replace("ws:", "http:")))).json()) as {
          pack: { id: string };
        }
      ).pack.id;

    let side = 0;
    await pack.editManifest((manifest) => {
      side = manifest.geometry.m;
      manifest.geometry.m = 48;
    });
    let logged = "";
    command.process.stderr?.on("data", (data) => {
      logged += data;
    });
    command.process.kill("SIGUSR2");
    await until(() => /the model pack stays as it was/.test(logged));
    expect(logged).toMatch(
      /segment\.onnx: input .*mask_in.* does not fit: expected float32 \[B, 1, 48, 48\]/,
    );
    expect(await packOf()).toBe("compact");

    await pack.editManifest((manifest) => {
      manifest.geometry.m = side;
      manifest.id = "another";
    });
    command.process.kill("SIGUSR2");
    await command.printed(/^new sessions run on pack another \S+ on cpu\n/m);
    expect(await packOf()).toBe("another");
    command.process.kill("SIGTERM");
    expect((await command.ended).status).toBe(0);
  });

  it("answers a taken port with one sentence and status 1", async () => {
    const other = await startTestServer({}, { engine: createScriptedEngine() });
    const { status, stdout, stderr } = await callCommand(["serve", "--port", String(other.port)]);
    await other.close();
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(`Port ${other.port} of 127.0.0.1 is taken; choose another with --port.\n`);
  });

  it("answers a folder that is no model pack with status 1", async () => {
    const empty = mediaPath("no-pack");
    await mkdir(empty, { recursive: true });
    const { status, stderr } = await callCommand(["serve", "--port", "0", "--pack", empty]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/manifest\.json/);
  });

  it.each([
    [["--port", "65536"], /^--port: .* got "65536"/],
    [["--port", "http"], /^--port: .* got "http"/],
    [["--media-root", "no/such/folder"], /^--media-root: expected a folder, got "no\/such\/folder"/],
    [
      ["--pack", "package.json"],
      /^--pack: expected a folder or the name of a pack \(compact\), got "package\.json"/,
    ],
    [["--adapters", "x-anylabeling,photoshop"], /^--adapters: expected names of .*, got "photoshop"/],
    [["--root", "."], /^Unknown option '--root'/],
  ])("answers %j with one sentence and status 2", async (args, sentence) => {
    const { status, stdout, stderr } = await callCommand(["serve", ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(sentence);
    expect(stderr.split("\n")).toHaveLength(2);
  });
});
