/** A TCP proxy whose connections a test can cut, as a network does. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface CuttableProxy extends AsyncDisposable {
  port: number;
  /** Destroys all connections. */
  cut(): void;
  /** Destroys all connections, and accepts no other until `restore`. */
  block(): void;
  restore(): void;
  /** After this many further bytes of the server, loses the next `lostBytes`, and then cuts the connections. */
  cutAfter(bytes: number, lostBytes?: number): void;
}

export async function startProxy(target: number): Promise<CuttableProxy> {
  const sockets = new Set<Socket>();
  let isBlocked = false;
  let bytesLeft = Number.POSITIVE_INFINITY;
  let lostBytesLeft = 0;

  function cut(): void {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets.clear();
  }

  const server = createServer((client) => {
    if (isBlocked) return void client.resetAndDestroy();
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.pipe(upstream);
    upstream.on("data", (data) => {
      bytesLeft -= data.length;
      if (bytesLeft > 0) return void client.write(data);
      // A message is cut in two.
      if (bytesLeft + data.length > 0) client.write(data.subarray(0, Math.floor(data.length / 2)));
      lostBytesLeft -= data.length;
      if (lostBytesLeft > 0) return;
      bytesLeft = Number.POSITIVE_INFINITY;
      setImmediate(cut);
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    block() {
      isBlocked = true;
      cut();
    },
    restore() {
      isBlocked = false;
    },
    cutAfter(bytes, lostBytes = 0) {
      bytesLeft = bytes;
      lostBytesLeft = lostBytes;
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
