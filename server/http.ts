/** What the server answers over HTTP: health, metrics, uploads. WebSockets are upgrade.ts's. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { GraphCosts } from "./engine/index.js";
import { toProtocolError } from "./failure.js";
import { isOriginAllowed } from "./http/origin.js";
import { type HttpErrorBody, sendError, sendJson } from "./http/reply.js";
import { deleteUpload, receiveUpload } from "./http/uploads.js";
import type { Logger } from "./log.js";
import type { Metrics, Sample } from "./metrics.js";
import type { Predictor } from "./predictor.js";

export interface HttpParts {
  predictor: Predictor;
  allowedOrigins: readonly string[];
  connections: () => number;
  metrics: Metrics;
  log: Logger;
}

type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void> | void;

/** Longer than looking at an upload may take, during which its socket is silent as well. */
const STALLED_SOCKET_MS = 10 * 60_000;

interface Route {
  /** The part in brackets is handed over as `id`. */
  path: RegExp;
  methods: Record<string, Handler>;
}

export function createHttpServer(parts: HttpParts): Server {
  const { predictor, allowedOrigins, metrics, log } = parts;

  const routes: Route[] = [
    { path: /^\/healthz$/, methods: { GET: health } },
    { path: /^\/metrics$/, methods: { GET: showMetrics } },
    {
      path: /^\/v1\/uploads$/,
      methods: { POST: (request, response) => receiveUpload(predictor.uploads, request, response) },
    },
    {
      path: /^\/v1\/uploads\/([\w-]+)$/,
      methods: { DELETE: (_request, response, id) => deleteUpload(predictor.uploads, id, response) },
    },
  ];

  async function health(_request: IncomingMessage, response: ServerResponse): Promise<void> {
    const first = await predictor.ready;
    const { sessions, pack = first } = predictor.stats();
    const { id, family, version, provider } = pack;
    sendJson(response, 200, { status: "ok", pack: { id, family, version }, provider, sessions });
  }

  function showMetrics(_request: IncomingMessage, response: ServerResponse): void {
    const { sessions, engine } = predictor.stats();
    const samples: Sample[] = [
      { name: "masklet_sessions", type: "gauge", value: sessions },
      { name: "masklet_connections", type: "gauge", value: parts.connections() },
      { name: "masklet_engine_frames_total", type: "counter", value: engine?.frames ?? 0 },
      { name: "masklet_engine_run_seconds_total", type: "counter", value: (engine?.ortTimeMs ?? 0) / 1000 },
      { name: "masklet_engine_restarts_total", type: "counter", value: engine?.restarts ?? 0 },
      { name: "process_resident_memory_bytes", type: "gauge", value: process.memoryUsage.rss() },
      ...graphSamples(engine?.graphs ?? {}),
    ];
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(metrics.render(samples));
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (code: HttpErrorBody["code"], message: string, headers = {}) =>
      sendError(response, { code, message, retryable: false }, headers);
    const { origin, host } = request.headers;
    if (!isOriginAllowed(origin, host, allowedOrigins)) {
      return refuse(
        "origin_forbidden",
        `Pages of ${origin} are not allowed; the server's allowedOrigins decide.`,
      );
    }
    if (origin !== undefined) {
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("vary", "origin");
    }
    const { pathname } = new URL(request.url ?? "", "http://localhost");
    const route = routes.find(({ path }) => path.test(pathname));
    if (!route) return refuse("not_found", "There is nothing here; the WebSocket is at /v1.");
    const methods = Object.keys(route.methods).join(", ");
    if (request.method === "OPTIONS") {
      const headers = {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": "content-type",
      };
      response.writeHead(204, headers).end();
      return;
    }
    const handler = route.methods[request.method ?? ""];
    if (!handler) return refuse("method_not_allowed", `Use ${methods} here.`, { allow: methods });
    await handler(request, response, route.path.exec(pathname)?.[1] ?? "");
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((cause) => {
      // A sender that went away needs no answer, and its going is no fault of ours.
      if ((request.destroyed && !request.complete) || response.headersSent) {
        response.destroy();
        return;
      }
      // The rest of a refused body is not wanted; its connection cannot be used again.
      sendError(response, toProtocolError(cause, log).toBody(), { connection: "close" });
      request.resume();
    });
  });
  // A large upload over a slow line takes its time; the store stops what is too large, this what does not move.
  server.requestTimeout = 0;
  server.timeout = STALLED_SOCKET_MS;
  return server;
}

function graphSamples(graphs: GraphCosts): Sample[] {
  const costs = Object.entries(graphs).map(([graph, cost]) => ({ labels: { graph }, ...cost }));
  return [
    ...costs.map(({ labels, runs }) => counter("masklet_graph_runs_total", labels, runs)),
    ...costs.map(({ labels, ms }) => counter("masklet_graph_run_seconds_total", labels, ms / 1000)),
    ...costs.map(
      ({ labels, memoryBytes: value }): Sample => ({
        name: "masklet_graph_memory_bytes",
        type: "gauge",
        labels,
        value,
      }),
    ),
  ];
}

function counter(name: string, labels: Record<string, string>, value: number): Sample {
  return { name, type: "counter", labels, value };
}
