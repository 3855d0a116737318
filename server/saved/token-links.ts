/**
 * Which saved session continues the session with a token. A client that was away when the server stopped has only the token.
 * The name of the link contains a hash of the token, so that the folder reveals no token.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const EXTENSION = ".token";

/** @param folder of the owner of the session */
export async function writeTokenLink(folder: string, token: string, savedId: string): Promise<void> {
  await writeFile(pathOf(folder, token), savedId, { mode: 0o600 });
}

/** Undefined when no session with this token was saved. The result is not checked. */
export async function readTokenLink(folder: string, token: string): Promise<string | undefined> {
  return readFile(pathOf(folder, token), "utf8").catch(() => undefined);
}

function pathOf(folder: string, token: string): string {
  return join(folder, createHash("sha256").update(token).digest("hex") + EXTENSION);
}
