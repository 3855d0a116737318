/** How many sockets the server accepts, and what happens to those over the limit. */
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { FIXED_LIMITS, settingVariable } from "../../protocol/index.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";

export interface OpenSockets {
  readonly count: number;
  exceedsLimit(socket: Socket): boolean;
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

/**
 * Counts the sockets of `server`. A socket over the limit has a short time to send a request, which the admission check
 * refuses with an answer. When these are too many as well, Node closes new sockets without an answer.
 */
export function limitConnections(
  server: Server,
  maxConnections: number,
  log: Logger,
  metrics: Metrics,
): OpenSockets {
  const open = new Set<Socket>();
  const excess = new WeakSet<Socket>();
  let dropping = false;

  server.maxConnections = maxConnections + Math.max(1, Math.floor(maxConnections / 8));
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    if (open.size <= maxConnections) {
      dropping = false;
      return;
    }
    excess.add(socket);
    const timer = setTimeout(() => socket.destroy(), FIXED_LIMITS.refusalMs.value);
    socket.once("close", () => clearTimeout(timer));
  });
  server.on("drop", () => {
    metrics.count("masklet_dropped_sockets_total");
    if (!dropping) {
      log.warn(
        { maxConnections, setting: "maxConnections", variable: settingVariable("maxConnections") },
        "too many connections; new sockets are closed without an answer",
      );
    }
    dropping = true;
  });

  return {
    get count() {
      return open.size;
    },
    exceedsLimit: (socket) => excess.has(socket),
    destroyAll() {
      for (const socket of open) socket.destroy();
    },
  };
}
