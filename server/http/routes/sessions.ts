/** `GET /v1/sessions`: the sessions of the owner. */
import { SESSIONS_PATH, type SessionSummary } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import { mediaName } from "../../media-name.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import type { UploadStore } from "../../uploads/store.js";
import { type App, ownerOf } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export function addSessionRoutes(app: App, { sessions, uploads }: Predictor): void {
  app.get(SESSIONS_PATH, async (context) => {
    const owner = ownerOf(context);
    const all = sessions.of(owner).map((hosted) => summaryOf(hosted, owner, uploads));
    return context.json({ sessions: await Promise.all(all) });
  });
  app.all(SESSIONS_PATH, allowOnly("GET"));
}

async function summaryOf(
  hosted: HostedSession,
  owner: OwnerId,
  uploads: UploadStore,
): Promise<SessionSummary> {
  const { id, token, createdAtMs, channel, session, request } = hosted;
  return {
    session_id: id,
    session_token: token,
    ...(await mediaOf(request, owner, uploads)),
    created_at: new Date(createdAtMs).toISOString(),
    connections: channel.attachments,
    state: session ? (hosted.isBusy ? "busy" : "idle") : "opening",
    ...(session && {
      kind: session.facts.kind,
      width: session.facts.width,
      height: session.facts.height,
      num_frames: session.facts.num_frames,
      fps: session.facts.fps,
    }),
  };
}

/** The name of the media and where it comes from. A camera's address can contain a password, so it is left out. */
async function mediaOf(
  request: HostedSession["request"],
  owner: OwnerId,
  uploads: UploadStore,
): Promise<Pick<SessionSummary, "name" | "resource_path" | "upload_id">> {
  const { resource_path, upload_id } = request;
  return {
    name: (await mediaName(request, owner, uploads)) ?? "live",
    ...(resource_path !== undefined && { resource_path }),
    ...(upload_id !== undefined && { upload_id }),
  };
}
