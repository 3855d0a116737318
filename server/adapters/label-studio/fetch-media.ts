/**
 * The media of tasks. Label Studio names them by paths and addresses, which anyone who can edit a task chooses, so only hosts that the
 * operator has named are contacted, and only Label Studio itself gets the token.
 */
import { ProtocolError } from "../../../protocol/index.js";
import { isListedHost } from "../../listed-hosts.js";
import type { AdapterSettings } from "../adapter.js";

const MAX_REDIRECTS = 5;
/** An access token of Label Studio is valid for five minutes. */
const ACCESS_TOKEN_MS = 4 * 60 * 1000;
const ANSWER_MS = 30_000;

export interface FetchedMedia {
  body: AsyncIterable<Uint8Array>;
  /** As announced; 0 when unknown. */
  contentLength: number;
}

export interface MediaFetcher {
  /** @throws ProtocolError resource_forbidden, resource_not_found */
  fetch(address: unknown, signal: AbortSignal): Promise<FetchedMedia>;
}

type Settings = Pick<AdapterSettings, "labelStudioUrl" | "labelStudioToken" | "labelStudioHosts">;

export function createMediaFetcher({
  labelStudioUrl,
  labelStudioToken,
  labelStudioHosts,
}: Settings): MediaFetcher {
  const base = labelStudioUrl === undefined ? undefined : new URL(labelStudioUrl);
  let access: { token: string; untilMs: number } | undefined;

  function locate(address: unknown): URL {
    if (typeof address !== "string" || address === "")
      throw notFound(`expected the address of a file, got ${JSON.stringify(address)?.slice(0, 60)}`);
    if (address.startsWith("/") && !base)
      throw forbidden("a path needs the address of Label Studio: set MASKLET_LABEL_STUDIO_URL");
    const url = URL.canParse(address, base?.href) ? new URL(address, base?.href) : undefined;
    if (!url || !["http:", "https:"].includes(url.protocol))
      throw forbidden(`expected an address of http or https, got ${JSON.stringify(address.slice(0, 100))}`);
    return url;
  }

  /** True for Label Studio itself. @throws ProtocolError resource_forbidden for hosts that are not named */
  function isLabelStudio(url: URL): boolean {
    if (base && url.origin === base.origin) return true;
    if (isListedHost(url, labelStudioHosts)) return false;
    throw forbidden(`${url.host} is not a host that MASKLET_LABEL_STUDIO_HOSTS names`);
  }

  /** A personal access token is exchanged for one that is valid for minutes; a legacy token is sent as it is. */
  async function authorization(signal: AbortSignal): Promise<Record<string, string>> {
    if (labelStudioToken === undefined || !base) return {};
    if (labelStudioToken.split(".").length !== 3) return { authorization: `Token ${labelStudioToken}` };
    if (!access || access.untilMs < Date.now()) {
      const response = await request(new URL("/api/token/refresh", base), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ refresh: labelStudioToken }),
        signal,
      });
      const body = (await response.json().catch(() => ({}))) as { access?: unknown };
      if (!response.ok || typeof body.access !== "string")
        throw forbidden(`Label Studio refuses MASKLET_LABEL_STUDIO_TOKEN with the status ${response.status}`);
      access = { token: body.access, untilMs: Date.now() + ACCESS_TOKEN_MS };
    }
    return { authorization: `Bearer ${access.token}` };
  }

  return {
    async fetch(address, signal) {
      let url = locate(address);
      for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
        const headers = isLabelStudio(url) ? await authorization(signal) : {};
        const response = await request(url, { headers, redirect: "manual", signal });
        const location = response.headers.get("location");
        if (response.status >= 300 && response.status < 400 && location !== null) {
          await response.body?.cancel();
          url = new URL(location, url);
          // Label Studio sends visitors without a session to its page for signing in.
          if (/\/user\/login/.test(url.pathname)) throw forbidden(signInProblem(labelStudioToken));
          continue;
        }
        if (!response.ok || !response.body) {
          await response.body?.cancel();
          const hint = [401, 403].includes(response.status) ? `; ${signInProblem(labelStudioToken)}` : "";
          throw notFound(`${url.host} answers with the status ${response.status}${hint}`);
        }
        const contentLength = Number(response.headers.get("content-length") ?? 0);
        return { body: response.body, contentLength };
      }
      throw notFound(`${url.host} redirects more than ${MAX_REDIRECTS} times`);
    },
  };
}

/** Fails when no answer begins within a time. */
async function request(url: URL, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), ANSWER_MS);
  try {
    return await fetch(url, { ...init, signal: AbortSignal.any([init.signal, waiting.signal]) });
  } catch (cause) {
    init.signal.throwIfAborted();
    throw notFound(`${url.host} cannot be reached`, cause);
  } finally {
    clearTimeout(timer);
  }
}

function signInProblem(token: string | undefined): string {
  return token === undefined
    ? "Label Studio requires a token: set MASKLET_LABEL_STUDIO_TOKEN"
    : "Label Studio refuses MASKLET_LABEL_STUDIO_TOKEN for this file";
}

const notFound = (problem: string, cause?: unknown) =>
  new ProtocolError("resource_not_found", `The media of the task: ${problem}.`, undefined, { cause });

const forbidden = (problem: string) =>
  new ProtocolError("resource_forbidden", `The media of the task: ${problem}.`);
