import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "./is-alive.js";

/** Upload folders of this process. They are in use although another store created them. */
const ownFolders = new Set<string>();

/**
 * Creates a folder that only this user can read, and removes folders of servers on this host that were killed. The folder's
 * name contains the host's name, because a process id is valid on one host or container only.
 */
export async function makeUploadDirectory(parent: string = tmpdir()): Promise<string> {
  const prefix = `masklet-uploads-${hostname().replace(/[^\w.]/g, "_")}-`;
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix) || ownFolders.has(join(parent, name))) continue;
    const pid = /^(\d+)-[A-Za-z0-9]+$/.exec(name.slice(prefix.length))?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    // A folder of another user cannot be removed and stays.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
  const created = await mkdtemp(join(parent, `${prefix}${process.pid}-`));
  ownFolders.add(created);
  return created;
}
