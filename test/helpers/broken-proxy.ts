/** A server between a client and the real one that changes what the real one sends. HTTP passes unchanged. */
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";

export interface BrokenProxy {
  /** `http://…` without a trailing slash. */
  http: string;
  close(): Promise<void>;
}

/** Text messages of the server pass through `change`, which returns the messages to send instead. */
export async function startBrokenProxy(
  target: string,
  change: (message: Record<string, unknown>) => Record<string, unknown>[],
): Promise<BrokenProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const forwarded = request(
      {
        hostname,
        port,
        path: incoming.url,
        method: incoming.method,
        headers: { ...incoming.headers, host: `${hostname}:${port}` },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on("error", () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  const webSockets = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false });
  webSockets.on("connection", (client, { url = "/v1" }) => {
    const upstream = new WebSocket(`ws://${hostname}:${port}${url}`, ["masklet.v1"]);
    const waiting: { data: RawData; binary: boolean }[] = [];
    client.on("message", (data, binary) => {
      if (upstream.readyState === upstream.OPEN) upstream.send(data as Buffer, { binary });
      else waiting.push({ data, binary });
    });
    upstream.on("open", () => {
      for (const { data, binary } of waiting) upstream.send(data as Buffer, { binary });
    });
    upstream.on("message", (data: Buffer, binary) => {
      if (client.readyState !== client.OPEN) return;
      if (binary) client.send(data, { binary });
      else for (const message of change(JSON.parse(data.toString()))) client.send(JSON.stringify(message));
    });
    client.on("error", () => {});
    upstream.on("error", () => client.terminate());
    client.on("close", () => upstream.terminate());
    upstream.on("close", () => client.terminate());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    http: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const client of webSockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
