/**
 * Bounds the memory of messages that have begun to arrive: ws keeps their bytes until they are complete. One client could
 * otherwise leave a large message unfinished on each of its sockets.
 */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { CLOSE_CODES, FIXED_LIMITS } from "../protocol/index.js";
import type { OwnerId } from "./session-owner.js";
import type { Lease, Shares } from "./shares/shares.js";

/**
 * Takes a part of the owner's share for each further `unfinishedMessageBytes` of an unfinished message, and closes the socket
 * when there is none left.
 *
 * @param stream carries the WebSocket
 * @param ownerOf undefined before the client has sent a key: until then upgrade.ts bounds its bytes
 */
export function limitUnfinishedMessages(
  socket: WebSocket,
  stream: Duplex,
  shares: Pick<Shares, "take">,
  ownerOf: () => OwnerId | undefined,
): void {
  const step = FIXED_LIMITS.unfinishedMessageBytes.value;
  let arrived = 0;
  let lease: Lease | undefined;

  function begin(): void {
    arrived = 0;
    lease?.release();
    lease = undefined;
  }

  function count({ length }: Buffer): void {
    arrived += length;
    const owner = ownerOf();
    const wanted = Math.floor(arrived / step) * step;
    if (owner === undefined || wanted <= (lease?.amount ?? 0)) return;
    try {
      if (lease) lease.add(wanted - lease.amount);
      else lease = shares.take("messageBytes", owner, wanted);
    } catch {
      const { code, reason } = CLOSE_CODES.serverBusy;
      socket.close(code, reason);
      // The peer may never answer the close frame, and its bytes must not arrive meanwhile.
      socket.terminate();
    }
  }

  stream.on("data", count);
  // What has arrived of the next message is less than a chunk of the stream.
  for (const event of ["message", "ping", "pong"]) socket.on(event, begin);
  socket.on("close", begin);
}
