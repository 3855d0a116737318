import type { IncomingMessage, ServerResponse } from "node:http";
import { ProtocolError } from "../../protocol/index.js";
import type { UploadStore } from "../uploads/store.js";
import { sendJson } from "./reply.js";

/** POST /v1/uploads: the body goes to disk as it comes in; the answer says what it turned out to be. */
export async function receiveUpload(
  uploads: UploadStore,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { uploadId, bytes, facts } = await uploads.receive(request, {
    contentLength: Number(request.headers["content-length"] ?? 0),
  });
  sendJson(response, 201, {
    upload_id: uploadId,
    kind: facts.kind,
    width: facts.width,
    height: facts.height,
    num_frames: facts.numFrames,
    fps: facts.fps,
    codec: facts.codec,
    duration_s: facts.durationS,
    bytes,
  });
}

/** DELETE /v1/uploads/ID. */
export async function deleteUpload(
  uploads: UploadStore,
  uploadId: string,
  response: ServerResponse,
): Promise<void> {
  if (!(await uploads.remove(uploadId))) {
    throw new ProtocolError("upload_not_found", "There is no such upload.", "upload_id");
  }
  response.writeHead(204).end();
}
