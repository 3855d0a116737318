import { basename } from "node:path";
import type { OwnerId } from "./session-owner.js";
import type { UploadStore } from "./uploads/store.js";

/** The name of what a session opens: of the file or folder, or the name under which it was uploaded. Undefined for live sessions. */
export async function mediaName(
  { resource_path, upload_id }: { resource_path?: string; upload_id?: string },
  owner: OwnerId,
  uploads: Pick<UploadStore, "find">,
): Promise<string | undefined> {
  if (resource_path !== undefined) return basename(resource_path) || resource_path;
  if (upload_id === undefined) return undefined;
  const upload = await uploads.find(upload_id, owner).catch(() => undefined);
  return upload?.filename ?? "upload";
}
