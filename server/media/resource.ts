import { lstat, realpath, stat } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { ProtocolError } from "../../protocol/errors.js";
import { FIELD_LIMITS } from "../../protocol/limits.js";

const FIELD = "resource_path";
/** `http://…`, `concat:…`, `file:…`. One letter before the colon is a Windows drive. */
const URL_LIKE = /^[a-z][a-z0-9+.-]+:/i;

/** True when `path` is `root` or lies below it. Both must be absolute; links are not looked at. */
export function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/**
 * The real path of a client's `resource_path`: absolute, or relative to one of the media roots (the first that has
 * it), and under a root once every link is resolved.
 *
 * Throws {@link ProtocolError} `resource_forbidden` for whatever is or leads outside, in the same words whether it exists
 * or not, and `resource_not_found` for what is missing inside.
 */
export async function resolveResource(resourcePath: string, mediaRoots: readonly string[]): Promise<string> {
  if (resourcePath === "") throw new ProtocolError("resource_not_found", "resource_path is empty.", FIELD);
  if (resourcePath.includes("\0") || resourcePath.length > FIELD_LIMITS.pathLength.value) throw forbidden();
  if (URL_LIKE.test(resourcePath)) {
    throw new ProtocolError("resource_forbidden", "resource_path is a path on the server, not a URL.", FIELD);
  }
  const roots = await realMediaRoots(mediaRoots);
  if (roots.length === 0) {
    throw new ProtocolError(
      "resource_forbidden",
      "This server has no media root; upload the file instead.",
      FIELD,
    );
  }

  const realRoots = roots.map((root) => root.real);
  const verdicts: ("forbidden" | "missing")[] = [];
  for (const root of roots) {
    const path = resolve(root.real, resourcePath);
    if (!isUnder(path, root.real) && !isUnder(path, root.given)) continue;
    const found = await locate(path, realRoots);
    if (typeof found === "object") return found.path;
    verdicts.push(found);
  }
  if (verdicts.length === 0 || verdicts.includes("forbidden")) throw forbidden();
  throw new ProtocolError("resource_not_found", "No such file or folder under the media roots.", FIELD);
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

/** `path` is inside a root as written; links may still lead out of it. */
async function locate(
  path: string,
  realRoots: string[],
): Promise<{ path: string } | "forbidden" | "missing"> {
  const allowed = (real: string) => realRoots.some((root) => isUnder(real, root));
  const real = await realpath(path).catch(() => null);
  if (real !== null) {
    if (!allowed(real)) return "forbidden";
    // Reading a pipe or a device could block for ever or have effects.
    const facts = await stat(real).catch(() => null);
    return facts && (facts.isFile() || facts.isDirectory()) ? { path: real } : "forbidden";
  }
  // Missing: but `link/x`, where `link` leads outside, must not tell whether x exists there.
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

function forbidden(): ProtocolError {
  return new ProtocolError("resource_forbidden", "resource_path must lie under a media root.", FIELD);
}
