import type { ServerOptions } from "../../server/config.js";
import { type RunningServer, startServer } from "../../server/main.js";
import type { PredictorParts } from "../../server/predictor.js";
import { connect, type RawClient } from "./client.js";
import { mediaDirectory } from "./media.js";
import { until } from "./settle.js";

export interface TestServer extends RunningServer {
  /** `http://…` without a trailing slash. */
  http: string;
  /** A new client; it is closed with the server. With a key, it sends the key with its handshake. */
  connect(key?: string): Promise<RawClient>;
  health(): Promise<{ sessions: number }>;
  /** Resolves when the server has no connection. */
  disconnected(): Promise<void>;
}

/** Starts a server on a free port, with the media folder of the test file as its media root. The caller closes it. */
export async function startTestServer(
  options: ServerOptions = {},
  parts: PredictorParts = {},
): Promise<TestServer> {
  const server = await startServer(
    { port: 0, logLevel: "silent", mediaRoots: [mediaDirectory()], shutdownGraceMs: 500, ...options },
    parts,
  );
  const http = `http://127.0.0.1:${server.port}`;
  return {
    ...server,
    http,
    connect: (key) =>
      connect(server.url, undefined, key === undefined ? {} : { authorization: `Bearer ${key}` }),
    disconnected: () =>
      until(async () => (await (await fetch(`${http}/metrics`)).text()).includes("masklet_connections 0\n")),
    health: async () => (await fetch(`${http}/healthz`)).json() as Promise<{ sessions: number }>,
  };
}
