/** How many sockets the server accepts, and what happens to those over the limit. */
import type { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { FIXED_LIMITS, type ProtocolError, settingVariable } from "../../protocol/index.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import { type OwnerId, ownerOfAddress } from "../session-owner.js";
import { holderOf } from "../shares/holder.js";
import type { Lease, Shares } from "../shares/shares.js";
import type { TrustedProxies } from "./client-address.js";
import type { HttpError } from "./errors.js";

/** What a connection ends with: it counts until this emits "close". */
export type Carrier = EventEmitter & { readonly destroyed: boolean };

export interface OpenSockets {
  readonly count: number;
  /** The error for a socket that exceeds a limit of connections. */
  overLimit(socket: Socket): HttpError | undefined;
  /**
   * Counts a connection for its owner, and no longer for its address or another owner. Returns the error when the owner has too
   * many; then nothing changes.
   *
   * @param carrier the socket of the client; behind a trusted proxy, the response to its request, or the socket of its WebSocket
   */
  countFor(owner: OwnerId, carrier: Carrier): ProtocolError | undefined;
  /** Destroys every socket of the server, upgraded ones included. */
  destroyAll(): void;
}

/**
 * A third of the file descriptors for sockets, a third for the files that uploads on these sockets write, and a third for
 * decoders, the inference process, logs and sockets over the limit. Undefined when the system sets no limit.
 */
export function connectionLimit(maxConnections: number, maxDescriptors: number | undefined): number {
  if (maxDescriptors === undefined) return maxConnections;
  return Math.max(1, Math.min(maxConnections, Math.floor(maxDescriptors / 3)));
}

/** File descriptors this process may open; undefined without a limit, or when the system does not report it. */
export function readDescriptorLimit(): number | undefined {
  const limit = Number(process.platform === "linux" ? limitOfProcFile() : limitOfReport());
  return Number.isSafeInteger(limit) ? limit : undefined;
}

function limitOfProcFile(): string | undefined {
  return /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
}

/** Slower: the report also contains the stack, the heap and the network interfaces. Windows has no such limit. */
function limitOfReport(): unknown {
  const report = process.report?.getReport() as
    | { userLimits?: { open_files?: { soft?: unknown } } }
    | undefined;
  return report?.userLimits?.open_files?.soft;
}

export interface ConnectionLimits {
  server: Server;
  maxConnections: number;
  shares: Pick<Shares, "take">;
  /** Their own sockets count for the server, but not for an owner: they carry the requests of many clients. */
  proxies: TrustedProxies;
  log: Logger;
  metrics: Metrics;
}

/** Sockets over the limit of one address that get an answer at the same time. */
const REFUSED_AT_ONCE = 16;

/**
 * Counts the sockets of `server`. A socket over a limit has a short time to send a request, which the admission check refuses
 * with an answer. When these are too many as well, new sockets are closed without an answer.
 */
export function limitConnections(parts: ConnectionLimits): OpenSockets {
  const { server, maxConnections, shares, proxies, log, metrics } = parts;
  const open = new Set<Socket>();
  /** Among the open ones, those over a limit. */
  const excess = new Map<Socket, HttpError>();
  const refusedOf = new Map<OwnerId, number>();
  /** The owner of each connection, at first its address. */
  const holdings = new WeakMap<Carrier, { owner: OwnerId; lease: Lease }>();
  let dropping = false;

  function drop(): void {
    metrics.count("masklet_dropped_sockets_total");
    if (!dropping) {
      log.warn(
        { maxConnections, setting: "maxConnections", variable: settingVariable("maxConnections") },
        "too many connections; new sockets are closed without an answer",
      );
    }
    dropping = true;
  }

  function countFor(owner: OwnerId, carrier: Carrier): ProtocolError | undefined {
    const holding = holdings.get(carrier);
    if (holding?.owner === owner || carrier.destroyed) return undefined;
    holding?.lease.release();
    try {
      const lease = shares.take("connections", owner);
      if (holding) Object.assign(holding, { owner, lease });
      else hold(carrier, { owner, lease });
      return undefined;
    } catch (error) {
      if (holding) holding.lease = shares.take("connections", holding.owner);
      return error as ProtocolError;
    }
  }

  function hold(carrier: Carrier, holding: { owner: OwnerId; lease: Lease }): void {
    holdings.set(carrier, holding);
    carrier.once("close", () => holding.lease.release());
  }

  /** Answers the next request of the socket with the error. */
  function refuseLater(socket: Socket, error: HttpError): void {
    const holder = holderOf(ownerOfAddress(socket.remoteAddress));
    const others = refusedOf.get(holder) ?? 0;
    if (others >= REFUSED_AT_ONCE) {
      drop();
      socket.destroy();
      return;
    }
    refusedOf.set(holder, others + 1);
    excess.set(socket, error);
    const timer = setTimeout(() => socket.destroy(), FIXED_LIMITS.refusalMs.value);
    socket.once("close", () => {
      clearTimeout(timer);
      excess.delete(socket);
      const left = (refusedOf.get(holder) ?? 1) - 1;
      if (left > 0) refusedOf.set(holder, left);
      else refusedOf.delete(holder);
    });
  }

  server.maxConnections = maxConnections + Math.max(1, Math.floor(maxConnections / 8));
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const { remoteAddress: address } = socket;
    const isProxy = address !== undefined && proxies.has(address);
    const isFull = open.size - excess.size > maxConnections;
    const error = isFull
      ? serverFull(maxConnections)
      : isProxy
        ? undefined
        : countFor(ownerOfAddress(address), socket)?.toBody();
    if (error) refuseLater(socket, error);
    else dropping = false;
  });
  server.on("drop", drop);

  return {
    get count() {
      return open.size;
    },
    overLimit: (socket) => excess.get(socket),
    countFor,
    destroyAll() {
      for (const socket of open) socket.destroy();
    },
  };
}

function serverFull(maxConnections: number): HttpError {
  return {
    code: "connection_limit",
    message: `The server has ${maxConnections} connections (maxConnections); connect again later.`,
    retryable: true,
    retry_after_ms: FIXED_LIMITS.refusalMs.value,
    limit: "maxConnections",
  };
}
