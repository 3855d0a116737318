/** HTTP requests of the command to a running server. */
import { endpointOf, headersOf } from "../typescript/endpoint.js";
import { CommandError } from "./errors.js";
import { DEFAULT_SERVER } from "./shared-options.js";
import { parseServer, readKey } from "./track-options.js";

export interface RemoteServer {
  /** Of its socket. */
  readonly address: string;
  /** @throws CommandError for a server that cannot be reached, and for every status but 2xx */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** @throws UsageError for an invalid address */
export function remoteServer(server: string | undefined, key: string | undefined): RemoteServer {
  const address = server === undefined ? DEFAULT_SERVER : parseServer(server);
  const endpoint = endpointOf(address, readKey(key));
  const { origin } = new URL(endpoint.uploads);
  return {
    address,
    async fetch(path, init = {}) {
      const headers = { ...headersOf(endpoint), ...init.headers };
      const response = await fetch(`${origin}${path}`, { ...init, headers }).catch((cause: Error) => {
        if (init.signal?.aborted) throw cause;
        throw new CommandError(`--server: ${address} cannot be reached.`, { cause });
      });
      if (response.ok) return response;
      const body = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
      throw new CommandError(body.error?.message ?? `The server answered with status ${response.status}.`);
    },
  };
}
