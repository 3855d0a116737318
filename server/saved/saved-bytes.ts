/** Bytes of the saved sessions of each owner, which count together with the owner's uploads. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OwnerId } from "../session-owner.js";
import type { Lease, Shares } from "../shares/shares.js";

/** Name of the file with the owner's name: the name of the folder is a hash. */
const OWNER_FILE = "owner";

export interface SavedBytes {
  /**
   * What the owner's files take. They are counted with the first call, after a start of the server.
   * @param folder of the owner; it is created
   * @throws ProtocolError quota_exceeded when the files exceed the limits, which may have been lowered
   */
  of(owner: OwnerId, folder: string): Promise<Lease>;
  /** The bytes of a deleted file do not count any longer. */
  subtract(owner: OwnerId, bytes: number): Promise<void>;
}

export function createSavedBytes(shares: Pick<Shares, "take">): SavedBytes {
  const leases = new Map<OwnerId, Promise<Lease>>();

  async function count(owner: OwnerId, folder: string): Promise<Lease> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, OWNER_FILE), owner, { mode: 0o600 });
    let bytes = 0;
    for (const name of await readdir(folder)) {
      if (name !== OWNER_FILE) bytes += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0;
    }
    return shares.take("diskBytes", owner, bytes);
  }

  return {
    of(owner, folder) {
      const known = leases.get(owner);
      if (known) return known;
      const lease = count(owner, folder);
      leases.set(owner, lease);
      lease.catch(() => leases.delete(owner));
      return lease;
    },
    async subtract(owner, bytes) {
      (await leases.get(owner)?.catch(() => undefined))?.subtract(bytes);
    },
  };
}

/** The name of an owner's folder. It is the same for every server. */
export function folderName(owner: OwnerId): string {
  return createHash("sha256").update(owner).digest("hex").slice(0, 32);
}

/** The owner of a folder. Undefined when the folder does not name it, or names another one. */
export async function ownerOfFolder(parent: string, name: string): Promise<OwnerId | undefined> {
  const owner = await readFile(join(parent, name, OWNER_FILE), "utf8").catch(() => undefined);
  return owner !== undefined && folderName(owner) === name ? owner : undefined;
}
