/** A server with keys: every adapter with a right key, a wrong one, and none, as its tool sends them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeKeys } from "../helpers/keys.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let key: string;

beforeAll(async () => {
  const { keysFile, keys } = makeKeys("ann");
  key = keys.ann as string;
  server = await startTestServer(
    { adapters: ["cvat", "label-studio", "x-anylabeling", "sam2-demo"], keysFile },
    { engine: createScriptedEngine() },
  );
});

afterAll(() => server.close());

type Headers = Record<string, string>;

const basic = (text: string): Headers => ({ authorization: `Basic ${btoa(`any:${text}`)}` });
const token = (text: string): Headers => ({ token: text });
const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });

interface Tool {
  path: string;
  /** Undefined: GET. */
  body?: object;
  sends: (text: string) => Headers;
  headers?: Headers;
  /** The reason phrase without a valid key. */
  reason: RegExp;
}

const PAGE = { origin: "http://localhost:7262" };

test.each<[string, Tool]>([
  [
    "Label Studio, when it connects",
    { path: "/label-studio/health", sends: basic, reason: /choose Basic Authentication/ },
  ],
  [
    "Label Studio, when it predicts",
    {
      ...{ path: "/label-studio/predict", sends: basic, reason: /choose Basic Authentication/ },
      body: {
        tasks: [],
        label_config: '<View><Video name="v" value="$v"/></View>',
        params: { context: { result: [] } },
      },
    },
  ],
  ["X-AnyLabeling", { path: "/x-anylabeling/v1/models", sends: token, reason: /enter it as the API key/ }],
  [
    "CVAT, from a netrc file",
    { path: "/api/functions", sends: basic, reason: /CVAT can send one from a netrc file/ },
  ],
  [
    "Meta's demo behind a proxy",
    {
      ...{ path: "/sam2-demo/graphql", sends: bearer, headers: PAGE, reason: /^Unauthorized$/ },
      body: { query: "{ videos { edges { node { path } } } }" },
    },
  ],
])("%s", async (_name, { path, body, sends, headers = {}, reason }) => {
  const send = (credentials: Headers) =>
    fetch(server.http + path, {
      method: body ? "POST" : "GET",
      headers: { "content-type": "application/json", ...headers, ...credentials },
      ...(body && { body: JSON.stringify(body) }),
    });
  const right = await send(sends(key));
  expect(right.status).toBe(200);
  expect(((await right.json()) as { errors?: unknown }).errors).toBeUndefined();
  for (const credentials of [sends("masklet_wrong"), sends(""), {}, { authorization: `Digest ${key}` }]) {
    const refused = await send(credentials as Headers);
    expect([refused.status, refused.statusText]).toEqual([401, expect.stringMatching(reason)]);
    const { error, errors } = (await refused.json()) as {
      error?: { code: string; message: string };
      errors?: { message: string }[];
    };
    expect(error?.code).toBe("unauthenticated");
    if (headers === PAGE) {
      // The page can read the answer, and shows its errors in the console.
      expect(errors?.[0]?.message).toBe(error?.message);
      expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE.origin);
      expect(refused.headers.get("access-control-allow-credentials")).toBe("true");
    }
  }
});

test("the preflight of Meta's page needs no key", async () => {
  const answer = await fetch(`${server.http}/sam2-demo/graphql`, {
    method: "OPTIONS",
    headers: {
      ...PAGE,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  });
  expect(answer.status).toBe(204);
  expect(answer.headers.get("access-control-allow-origin")).toBe(PAGE.origin);
});
