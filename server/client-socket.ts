/** Opens the connection of a WebSocket: at once for a client whose owner is known, after its key for others. */
import type { WebSocket } from "ws";
import { openAuthenticatedConnection } from "./authenticated-connection.js";
import type { ServerConfig } from "./config.js";
import { type Connection, openConnection } from "./connection.js";
import type { SocketVisitor } from "./http/upgrade.js";
import type { KeyCheck } from "./keys/key-check.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { Predictor } from "./predictor.js";
import { type OwnerId, ownerOfAddress } from "./session-owner.js";
import type { Transport } from "./transport.js";
import { limitUnfinishedMessages } from "./unfinished-message.js";
import { serveWebSocket } from "./websocket.js";

export interface ClientSocketParts {
  config: ServerConfig;
  predictor: Predictor;
  /** Undefined on a server without keys. */
  keys: KeyCheck | undefined;
  metrics: Metrics;
  /** Of this WebSocket. */
  log: Logger;
}

/** Logs when the WebSocket opens, when its owner is known, and when it closes. */
export function serveClientSocket(
  socket: WebSocket,
  { address, key, stream, onIdentified }: SocketVisitor,
  { config, predictor, keys, metrics, log }: ClientSocketParts,
): Connection {
  const { maxPendingRequests, authenticationMs } = config;
  let owner = keys ? key?.owner : ownerOfAddress(address);

  async function ownerOfKey(text: string): Promise<OwnerId> {
    if (!keys) return ownerOfAddress(address);
    const found = keys.find(text);
    if (found) return found.owner;
    throw await keys.refuse(address);
  }

  function openFor(transport: Transport, identified: OwnerId): Connection {
    if (owner === undefined) log.info({ address, owner: identified }, "websocket identified");
    owner = identified;
    const ownerLog = log.child({ owner });
    const common = { transport, predictor, owner, ownerOfKey, maxPendingRequests, metrics };
    return openConnection({ ...common, log: ownerLog });
  }

  function open(transport: Transport): Connection {
    if (!keys) return openFor(transport, ownerOfAddress(address));
    return openAuthenticatedConnection({
      ...{ transport, keys, address, key, authenticationMs, onIdentified, log, metrics },
      open: (identified) => openFor(transport, identified),
    });
  }

  log.info({ address, owner }, "websocket opened");
  const openedAtMs = performance.now();
  const connection = serveWebSocket(socket, open, { ...config, log, metrics });
  limitUnfinishedMessages(socket, stream, predictor.shares, () => owner);
  socket.once("close", (code) => {
    log.info({ owner, code, ms: Math.round(performance.now() - openedAtMs) }, "websocket closed");
  });
  return connection;
}
