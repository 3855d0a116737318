/** `GET /`: the files of the annotator page. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasScreen, pageUrl } from "../../../clients/command/page.js";
import { sendRaw } from "../../helpers/hostile-http.js";
import { makeKeys } from "../../helpers/keys.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

const root = mkdtempSync(join(tmpdir(), "masklet-page-"));
const webDir = join(root, "web");
let server: TestServer;

beforeAll(async () => {
  mkdirSync(join(webDir, "assets"), { recursive: true });
  writeFileSync(join(webDir, "index.html"), "<!doctype html><title>masklet</title>");
  writeFileSync(join(webDir, "icon.svg"), "<svg/>");
  writeFileSync(join(webDir, "assets/index-Ab12_x-9.js"), "export {}");
  writeFileSync(join(webDir, ".secret.txt"), "hidden");
  writeFileSync(join(root, "outside.txt"), "outside");
  symlinkSync(join(root, "outside.txt"), join(webDir, "link.txt"));
  const { keysFile } = makeKeys("ann");
  server = await startTestServer({ webDir, keysFile }, { engine: createScriptedEngine() });
});
afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

test("the page and its files need no key, and have a policy, types and ages", async () => {
  const page = await fetch(`${server.http}/`);
  expect([page.status, await page.text()]).toEqual([200, "<!doctype html><title>masklet</title>"]);
  expect(Object.fromEntries(page.headers)).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": expect.stringMatching(/^default-src 'self'; .*frame-ancestors 'none'$/),
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
  });
  const script = await fetch(`${server.http}/assets/index-Ab12_x-9.js`);
  expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(script.headers.get("cache-control")).toContain("immutable");
  expect((await fetch(`${server.http}/icon.svg`)).headers.get("content-type")).toBe("image/svg+xml");
  const etag = page.headers.get("etag") ?? "";
  expect((await fetch(`${server.http}/`, { headers: { "if-none-match": etag } })).status).toBe(304);
  expect((await fetch(`${server.http}/`, { method: "HEAD" })).status).toBe(200);
});

test("nothing else is served, and the data needs a key", async () => {
  for (const path of [
    ...["/.secret.txt", "/link.txt", "/../outside.txt", "/assets/../../outside.txt", "/%2e%2e/outside.txt"],
    ...["/..%2foutside.txt", "/assets/", "/assets", "/none.js", "//outside.txt", "/v1/sessions", "/v1/media"],
  ]) {
    const answer = await sendRaw(
      server.port,
      Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    );
    expect([path, /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]]).toEqual([path, "401"]);
    expect(answer).not.toMatch(/outside$|hidden/);
  }
});

test("a page that is not built has a clear answer", async () => {
  const bare = await startTestServer({ webDir: join(root, "none") }, { engine: createScriptedEngine() });
  const answer = await fetch(`${bare.http}/`);
  expect([answer.status, ((await answer.json()) as { error: { message: string } }).error.message]).toEqual([
    404,
    "The annotator page is not built; run npm run build. The WebSocket is at /v1.",
  ]);
  await bare.close();
});

test("the command knows the address of the page, and whether there is a screen", () => {
  expect(pageUrl("127.0.0.1", 8765)).toBe("http://127.0.0.1:8765/");
  expect(pageUrl("0.0.0.0", 1)).toBe("http://localhost:1/");
  expect(pageUrl("::1", 1)).toBe("http://[::1]:1/");
  expect(hasScreen({}, "linux")).toBe(false);
  expect(hasScreen({ DISPLAY: ":0" }, "linux")).toBe(true);
  expect(hasScreen({ DISPLAY: ":0", SSH_CONNECTION: "a" }, "linux")).toBe(false);
  expect(hasScreen({}, "darwin")).toBe(true);
});
