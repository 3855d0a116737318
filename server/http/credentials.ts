/** The key that an HTTP request carries. */
import type { IncomingMessage } from "node:http";

export type Credentials =
  /** `key` is undefined when the request carries none. Its form is not checked. */
  | { key: string | undefined; problem?: never }
  /** A sentence about credentials that cannot be used. It contains nothing of the request. */
  | { key?: never; problem: string };

/** Names of query parameters that other servers use for keys. */
const KEY_PARAMETERS = ["key", "api_key", "apikey", "token", "access_token"];

/**
 * Reads `Authorization: Bearer KEY`, or `Authorization: Basic` with any user name and the key as the password. Addresses are
 * written to logs and histories, so a key in the query is a problem, also when it is valid.
 *
 * @param keyHeader another header that may contain the key, for tools that cannot send Authorization. An empty one is no key
 */
export function readCredentials(
  { url = "", headersDistinct }: IncomingMessage,
  keyHeader?: string,
): Credentials {
  const parameter = keyParameter(url);
  if (parameter !== undefined) {
    return {
      problem: `A key in the address can end up in logs: send it as the header Authorization, not as ?${parameter}=.`,
    };
  }
  const [value, ...others] = headersDistinct.authorization ?? [];
  if (value === undefined) {
    const own =
      keyHeader === undefined ? [] : (headersDistinct[keyHeader] ?? []).filter((text) => text.trim());
    if (own.length > 1) return { problem: `${keyHeader}: expected one header, got ${own.length}.` };
    return { key: own[0]?.trim() };
  }
  if (others.length > 0) {
    return { problem: `Authorization: expected one header, got ${others.length + 1}.` };
  }
  const [, scheme = "", rest = ""] = /^(\S*)[ \t]*(.*)$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case "bearer":
      return { key: rest.trim() };
    case "basic":
      return { key: passwordOf(rest.trim()) };
    default:
      return { problem: "Authorization: expected the scheme Bearer or Basic." };
  }
}

function keyParameter(target: string): string | undefined {
  const start = target.indexOf("?");
  if (start < 0) return undefined;
  for (const name of new URLSearchParams(target.slice(start + 1).replace(/#.*$/s, "")).keys()) {
    const known = KEY_PARAMETERS.find((parameter) => parameter === name.toLowerCase());
    if (known !== undefined) return known;
  }
  return undefined;
}

/** The text after the first colon; "" when there is none. */
function passwordOf(base64: string): string {
  const text = Buffer.from(base64, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? "" : text.slice(colon + 1);
}
