import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { settingVariable } from "../../protocol/index.js";
import { shuttingDown } from "../failure.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics.js";
import type { HttpError } from "./errors.js";
import { isOriginAllowed, type OriginRules } from "./origin.js";

export interface AdmissionRules extends OriginRules {
  /** True for a socket that exceeds the limit of connections. */
  exceedsLimit(socket: Socket): boolean;
  /** True while the server stops. */
  isStopping(): boolean;
}

/** The reason to refuse a request, or undefined to admit it. */
export type Admit = (request: IncomingMessage) => HttpError | undefined;

/**
 * The single check of every WebSocket upgrade and every HTTP request except `/livez`. Authentication belongs here. Each
 * refusal is logged as a warning that names the setting that changes it.
 */
export function createAdmission(rules: AdmissionRules, log: Logger, metrics: Metrics): Admit {
  function reasonToRefuse(request: IncomingMessage): (HttpError & { setting?: string }) | undefined {
    const { origin, host } = request.headers;
    if (rules.isStopping()) return shuttingDown().toBody();
    if (rules.exceedsLimit(request.socket)) {
      const message = "The server has as many connections as it accepts; connect again later.";
      return { code: "connection_limit", message, retryable: true, setting: "maxConnections" };
    }
    if (!isOriginAllowed(origin, host, rules)) {
      const message = `Pages of ${short(origin)} are not admitted; the server's setting allowedOrigins (${settingVariable("allowedOrigins")}) admits them.`;
      return { code: "origin_forbidden", message, retryable: false, setting: "allowedOrigins" };
    }
    return undefined;
  }

  return (request) => {
    const reason = reasonToRefuse(request);
    if (!reason) return undefined;
    const { setting, ...error } = reason;
    metrics.count("masklet_refusals_total", { code: error.code });
    const { method, url, headers, socket } = request;
    log.warn(
      {
        code: error.code,
        method,
        url: short(url),
        origin: short(headers.origin),
        peer: socket.remoteAddress,
        ...(setting && { setting, variable: settingVariable(setting) }),
      },
      error.message,
    );
    return error;
  };
}

/** Headers and URLs can have thousands of characters. */
function short(text: string | undefined): string | undefined {
  return text !== undefined && text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
