/** HTTP requests to the server of the page, with its key. */
import { MaskletError, type ReportedError } from "../../typescript/index.js";
import { keyOfPage } from "./key.js";

/** The address of the server: that of the page. */
export const serverUrl = (path: string): string => new URL(path, document.baseURI).href;

export function authorization(): Record<string, string> {
  const key = keyOfPage.peek();
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/**
 * Requests a path such as `v1/media`.
 * @throws MaskletError with the server's error, or `connection_failed`.
 */
export async function fetchFromServer(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
  const response = await fetch(serverUrl(path), { ...init, headers }).catch((cause: unknown) => {
    init.signal?.throwIfAborted();
    throw new MaskletError(
      { code: "connection_failed", message: "the server does not answer", retryable: true },
      { cause },
    );
  });
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as { error?: ReportedError } | undefined;
  const message = `HTTP status ${response.status} for ${path}`;
  throw new MaskletError(body?.error ?? { code: "internal", message, retryable: response.status >= 500 });
}
