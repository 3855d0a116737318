/**
 * The checks of every HTTP request and every WebSocket upgrade, before anything else is done for it. Each refusal is logged
 * with the address of the client and without anything that can contain a key: no query, no header but Origin and Host.
 */
import type { IncomingMessage } from "node:http";
import { type ProtocolError, SAVED_PATH, settingVariable, UPLOADS_PATH } from "../../protocol/index.js";
import { shuttingDown } from "../failure.js";
import type { KeyCheck, ValidKey } from "../keys/key-check.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import { type OwnerId, ownerOfAddress } from "../session-owner.js";
import { clientAddress, type TrustedProxies } from "./client-address.js";
import type { Carrier, OpenSockets } from "./connection-limit.js";
import { readCredentials } from "./credentials.js";
import type { HttpError } from "./errors.js";
import { type HostRules, hostProblem } from "./host.js";
import { isOriginAllowed, type OriginRules } from "./origin.js";
import { requestIdOf } from "./request-id.js";

export interface AdmissionParts {
  rules: HostRules & OriginRules;
  proxies: TrustedProxies;
  /** Undefined: every client is admitted without a key. */
  keys: KeyCheck | undefined;
  /** The header besides Authorization in which requests to a path may carry the key. */
  keyHeaderOf(path: string): string | undefined;
  connections: Pick<OpenSockets, "overLimit" | "countFor">;
  /** True while the server stops. */
  isStopping(): boolean;
  /** Why nothing new may be started; undefined while it may. Then sockets, uploads and files to continue from are refused. */
  drainRefusal(): ProtocolError | undefined;
  log: Logger;
  metrics: Metrics;
}

/** Who sent a request. */
export interface Visitor {
  /** See {@link Admission.addressOf}. */
  address: string | undefined;
  /** Undefined for a request without a key to a server that requires one. */
  owner: OwnerId | undefined;
  /** The key that the request carries; undefined on servers without keys. */
  key: ValidKey | undefined;
}

export type Identification = { visitor: Visitor; error?: never } | { visitor?: never; error: HttpError };

export interface Admission {
  /** The address of the client; that of its proxy when the proxy reports none. Undefined when the socket is closed already. */
  addressOf(request: IncomingMessage): string | undefined;
  /** Checks Host and Origin, also of `/livez`. Returns the reason to refuse the request. */
  checkSource(request: IncomingMessage): HttpError | undefined;
  /** Checks also that the server has room. Returns the reason to refuse the request. */
  admit(request: IncomingMessage): HttpError | undefined;
  /**
   * Checks the key of an admitted request, and counts its connection for its owner. The error is `connection_limit`,
   * `unauthenticated`, or `rate_limit` for an address that has sent many invalid keys. A missing key is no error here.
   *
   * @param until emits "close" when the request has ended, or its WebSocket
   */
  identify(request: IncomingMessage, until: Carrier): Promise<Identification>;
  /** Counts the connection of a WebSocket for the owner of the key that its client has sent. */
  countFor(owner: OwnerId, carrier: Carrier): ProtocolError | undefined;
  /** Logs and counts a refusal, and returns its error. */
  refuse(request: IncomingMessage, error: HttpError, details?: object): HttpError;
}

export function createAdmission(parts: AdmissionParts): Admission {
  const { rules, proxies, keys, keyHeaderOf, connections, isStopping, drainRefusal, log, metrics } = parts;

  const addressOf = (request: IncomingMessage) => clientAddress(request, proxies);

  function refuse(request: IncomingMessage, error: HttpError, details: object = {}): HttpError {
    metrics.count("masklet_refusals_total", { code: error.code });
    // A client that tries keys must not fill the log.
    log[error.code === "rate_limit" ? "debug" : "warn"](
      {
        code: error.code,
        address: addressOf(request),
        requestId: requestIdOf(request),
        method: request.method,
        path: short(pathOf(request.url ?? "")),
        ...details,
      },
      error.message,
    );
    return error;
  }

  const setting = (name: string) => ({ setting: name, variable: settingVariable(name) });

  function checkHost(request: IncomingMessage): HttpError | undefined {
    const hosts = request.headersDistinct.host ?? [];
    // A target in absolute form replaces the Host header.
    const targets = [authorityOf(request.url ?? "") ?? [], hosts].flat();
    if (hosts.length > 1) return malformed(request, `Host: expected one header, got ${hosts.length}.`);
    for (const host of targets) {
      const problem = hostProblem(host, rules);
      if (problem === "malformed") {
        return malformed(request, "Host: expected a name or an address, with or without a port.");
      }
      if (problem === "forbidden") {
        const message = `This server is not reached as ${short(host)}; the server's setting allowedHosts (${settingVariable("allowedHosts")}) adds names.`;
        const error: HttpError = { code: "host_forbidden", message, retryable: false };
        return refuse(request, error, { host: short(host), ...setting("allowedHosts") });
      }
    }
    return undefined;
  }

  function malformed(request: IncomingMessage, message: string): HttpError {
    return refuse(request, { code: "malformed_request", message, retryable: false });
  }

  function checkSource(request: IncomingMessage): HttpError | undefined {
    const problem = checkHost(request);
    if (problem) return problem;
    const { origin, host } = request.headers;
    if (isOriginAllowed(origin, host, rules)) return undefined;
    const message = `Pages of ${short(origin)} are not admitted; the server's setting allowedOrigins (${settingVariable("allowedOrigins")}) admits them.`;
    const error: HttpError = { code: "origin_forbidden", message, retryable: false };
    return refuse(request, error, { origin: short(origin), ...setting("allowedOrigins") });
  }

  function admit(request: IncomingMessage): HttpError | undefined {
    if (isStopping()) return refuse(request, shuttingDown().toBody());
    const refusal = startsSomething(request) ? drainRefusal() : undefined;
    if (refusal) return refuse(request, refusal.toBody());
    const full = connections.overLimit(request.socket);
    if (full) return refuse(request, full, setting(full.limit ?? "maxConnections"));
    return checkSource(request);
  }

  return {
    addressOf,
    checkSource,
    admit,
    async identify(request, until) {
      const address = addressOf(request);
      const { remoteAddress } = request.socket;
      const isForwarded = remoteAddress !== undefined && proxies.has(remoteAddress);
      const carrier = isForwarded ? until : request.socket;
      const visit = (visitor: Visitor): Identification => {
        const full = connections.countFor(visitor.owner ?? ownerOfAddress(address), carrier)?.toBody();
        return full ? { error: refuse(request, full, setting(full.limit ?? "maxConnections")) } : { visitor };
      };
      if (!keys) return visit({ address, owner: ownerOfAddress(address), key: undefined });
      const { key: text, problem } = readCredentials(request, keyHeaderOf(pathOf(request.url ?? "")));
      if (problem !== undefined) {
        return { error: refuse(request, { code: "unauthenticated", message: problem, retryable: false }) };
      }
      if (text === undefined) return visit({ address, owner: undefined, key: undefined });
      const key = keys.find(text);
      if (key) return visit({ address, owner: key.owner, key });
      return { error: refuse(request, (await keys.refuse(address)).toBody()) };
    },
    countFor: connections.countFor,
    refuse,
  };
}

/** Path of a request target in origin form or absolute form. Any text is valid input. */
export function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
}

/** The authority of a target in absolute form, without user and password. */
function authorityOf(target: string): string | undefined {
  return /^https?:\/\/(?:[^/?#]*@)?([^/?#@]*)/i.exec(target)?.[1];
}

/** True for a WebSocket, and for the start of an upload; the other requests continue or end what was started before. */
function startsSomething({ method, url = "", upgrade }: IncomingMessage & { upgrade?: boolean }): boolean {
  return (
    upgrade === true ||
    (method === "POST" && [UPLOADS_PATH, SAVED_PATH].some((path) => pathOf(url).startsWith(path)))
  );
}

/** Headers and URLs can have thousands of characters. */
function short(text: string | undefined): string | undefined {
  return text !== undefined && text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
