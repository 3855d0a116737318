import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

/** Folders of this process: they carry its id too, and are not left-overs. */
const ours = new Set<string>();

/**
 * Makes a folder that only this user can read, and removes those that servers on this host left behind when they were
 * killed. The host's name is part of the folder's, because process ids of other hosts or containers mean nothing here.
 */
export async function makeUploadDirectory(parent: string = tmpdir()): Promise<string> {
  const prefix = `masklet-uploads-${hostname().replace(/[^\w.]/g, "_")}-`;
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix) || ours.has(join(parent, name))) continue;
    const pid = /^(\d+)-[A-Za-z0-9]+$/.exec(name.slice(prefix.length))?.[1];
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    // Another user's folder stays; that is for them to clean up.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
  const made = await mkdtemp(join(parent, `${prefix}${process.pid}-`));
  ours.add(made);
  return made;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
