import { lstat, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, parse, resolve, sep } from "node:path";
import { ProtocolError } from "../../protocol/errors.js";
import { FIELD_LIMITS } from "../../protocol/limits.js";

const FIELD = "resource_path";
/** `http://…`, `concat:…`, `file:…`. One letter before the colon is a Windows drive. */
const URL_LIKE = /^[a-z][a-z0-9+.-]+:/i;

/** A path from a request is repeated in messages up to this length. */
const MAX_SHOWN_CHARS = 300;

/** True when `path` is `root` or lies below it. Both must be absolute; links are not resolved. */
export function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/**
 * The real path of a client's `resource_path`: absolute, or relative to one of the media roots (the first that contains
 * it), and under a root once every link is resolved. Without media roots every path is allowed, and relative ones start
 * from the working directory.
 *
 * Throws {@link ProtocolError} `resource_not_found` for a path inside a root that does not exist, and
 * `resource_forbidden` for a path that is or leads outside. Both messages contain the path as the client gave it and the
 * roots as they are configured. That of `resource_forbidden` is the same whether the path exists or not.
 */
export async function resolveResource(
  resourcePath: string,
  mediaRoots: readonly string[] | undefined,
): Promise<string> {
  const place = placeOf(resourcePath, mediaRoots);
  const forbidden = () =>
    new ProtocolError(
      "resource_forbidden",
      `${shown(resourcePath)} is not a file or folder ${place} once links are resolved.`,
      FIELD,
    );
  if (resourcePath === "") {
    throw new ProtocolError("resource_not_found", 'Expected the path of a file or folder, got "".', FIELD);
  }
  if (resourcePath.includes("\0") || resourcePath.length > FIELD_LIMITS.pathLength.value) throw forbidden();
  if (URL_LIKE.test(resourcePath)) {
    throw new ProtocolError(
      "resource_forbidden",
      `Expected a path on the server, got the URL ${shown(resourcePath)}.`,
      FIELD,
    );
  }
  if (mediaRoots?.length === 0) {
    throw new ProtocolError(
      "resource_forbidden",
      `This server has no media root, so ${shown(resourcePath)} cannot be opened; upload the file instead.`,
      FIELD,
    );
  }

  const roots = await realMediaRoots(mediaRoots ?? [parse(resolve(resourcePath)).root]);
  const path = mediaRoots ? resourcePath : resolve(resourcePath);
  const realRoots = roots.map((root) => root.real);
  const verdicts: ("forbidden" | "missing")[] = [];
  for (const root of roots) {
    const candidate = resolve(root.real, path);
    if (!isUnder(candidate, root.real) && !isUnder(candidate, root.given)) continue;
    const found = await locate(candidate, realRoots);
    if (typeof found === "object") return found.path;
    verdicts.push(found);
  }
  if (verdicts.length === 0 || verdicts.includes("forbidden")) throw forbidden();
  throw new ProtocolError(
    "resource_not_found",
    `There is no file or folder ${shown(resourcePath)} ${place}.`,
    FIELD,
  );
}

/** A path from a request, in quotes, with control characters escaped. */
function shown(path: string): string {
  return JSON.stringify(path.length > MAX_SHOWN_CHARS ? `${path.slice(0, MAX_SHOWN_CHARS)}…` : path);
}

/** Where a path is searched, for messages. Depends on the path as given and on the configuration alone. */
function placeOf(path: string, mediaRoots: readonly string[] | undefined): string {
  if (!mediaRoots) {
    return isAbsolute(path)
      ? "on the server"
      : `relative to the working directory ${JSON.stringify(process.cwd())}`;
  }
  const names = mediaRoots.map((root) => JSON.stringify(root)).join(", ");
  return mediaRoots.length === 1
    ? `under the media root ${names}`
    : `under any of the ${mediaRoots.length} media roots ${names}`;
}

/** Media roots with their links resolved; roots that do not exist are left out. */
async function realMediaRoots(mediaRoots: readonly string[]): Promise<{ given: string; real: string }[]> {
  const roots = mediaRoots.map(async (root) => {
    const given = resolve(root);
    return { given, real: await realpath(given).catch(() => null) };
  });
  return (await Promise.all(roots)).filter(
    (root): root is { given: string; real: string } => root.real !== null,
  );
}

/** Finds a path that is inside a root as written. Links can still lead out of it. */
export async function locate(
  path: string,
  realRoots: readonly string[],
): Promise<{ path: string } | "forbidden" | "missing"> {
  const allowed = (real: string) => realRoots.some((root) => isUnder(real, root));
  const real = await realpath(path).catch(() => null);
  if (real !== null) {
    if (!allowed(real)) return "forbidden";
    // Reading a pipe or a device can block for ever or have effects.
    const facts = await stat(real).catch(() => null);
    return facts && (facts.isFile() || facts.isDirectory()) ? { path: real } : "forbidden";
  }
  // Missing. For `link/x` where `link` leads outside, the answer must not depend on whether x exists there.
  for (let above = path; dirname(above) !== above; above = dirname(above)) {
    const realAbove = await realpath(above).catch(() => null);
    if (realAbove !== null) return allowed(realAbove) ? "missing" : "forbidden";
    const isLinkToNowhere = await lstat(above).then(
      () => true,
      () => false,
    );
    if (isLinkToNowhere) return "forbidden";
  }
  return "missing";
}
