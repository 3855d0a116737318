import type { Context } from "hono";
import { ProtocolError } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Predictor } from "../../predictor.js";
import type { Session } from "../../session.js";
import { type AppEnvironment, ownerOf } from "../context.js";

/** The session that a path names. Waits while it is being started. @throws ProtocolError session_not_found, shutting_down */
export async function sessionOf(
  context: Context<AppEnvironment>,
  { sessions }: Pick<Predictor, "sessions">,
): Promise<{ hosted: HostedSession; session: Session }> {
  const id = context.req.param("id") ?? "";
  const hosted = sessions.find(ownerOf(context), id);
  if (!hosted) throw sessions.refusal(id);
  return { hosted, session: await hosted.use() };
}

/** @throws ProtocolError frame_out_of_range */
export function checkFrame(field: string, index: number, { facts }: Pick<Session, "facts">): void {
  const { num_frames } = facts;
  if (index < num_frames) return;
  const expected = num_frames > 0 ? `expected 0..${num_frames - 1}` : "the session has no frame yet";
  throw new ProtocolError("frame_out_of_range", `${field}: ${expected}, got ${index}`, field);
}

/** @throws ProtocolError frame_out_of_range, invalid_field */
export function checkStretch(stretch: { first: number; last: number }, session: Session): void {
  const { first, last } = stretch;
  checkFrame("first", first, session);
  checkFrame("last", last, session);
  if (last >= first) return;
  throw new ProtocolError("invalid_field", `last: expected at least first, ${first}, got ${last}`, "last");
}
