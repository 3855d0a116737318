/** Sessions that many checks use, and comparisons of masks. */
import { decodeMask, type Mask, maskArea } from "../../../protocol/index.js";
import { zip } from "../archives.js";
import type { Lab, Session } from "../lab.js";
import { clip, otherPolygon, picture, squarePolygon } from "../media.js";
import type { Fields, Message, Probe } from "../probe.js";
import { expectThat } from "../verdicts.js";

export const FRAMES = 10;

export const clipUpload = (lab: Lab) => lab.media("clip.mov", () => clip(FRAMES));
export const pictureUpload = (lab: Lab) => lab.media("picture.png", () => picture(0));

/** A session on a video of ten frames. */
export async function videoSession(lab: Lab, fields: Fields = {}, probe?: Probe): Promise<Session> {
  return lab.session({ upload_id: await clipUpload(lab), ...fields }, probe);
}

export async function pictureSession(lab: Lab, fields: Fields = {}, probe?: Probe): Promise<Session> {
  return lab.session({ upload_id: await pictureUpload(lab), ...fields }, probe);
}

export const maskPrompt = (frame: number, objId: number, polygon = squarePolygon(frame)): Fields => ({
  type: "add_prompt",
  frame_index: frame,
  obj_id: objId,
  mask: { polygons: [polygon] },
});

/** Object 0 has the mask of the square and object 1 another one, both prompted on these frames: masks are exact there. */
export async function markFrames(session: Session, frames: readonly number[]): Promise<void> {
  for (const frame of frames) {
    await session.ok(maskPrompt(frame, 0));
    await session.ok(maskPrompt(frame, 1, otherPolygon(frame)));
  }
}

/** A session whose ten frames have the exact masks of objects 0 and 1. */
export async function markedSession(lab: Lab, fields: Fields = {}, probe?: Probe): Promise<Session> {
  lab.requirePrompt("masks");
  const session = await videoSession(lab, fields, probe);
  await markFrames(
    session,
    Array.from({ length: FRAMES }, (_, index) => index),
  );
  return session;
}

/** The stored results, by frame. */
export async function storedFrames(session: Session, fields: Fields = {}): Promise<Map<number, Message>> {
  const { frames, end } = await session.stream({
    propagation_direction: "forward",
    start_frame_index: 0,
    scope: "stored",
    ...fields,
  });
  expectThat(end.type === "done", `a stream of stored results ended with ${end.error?.code}`);
  return new Map(frames.map((frame) => [frame.frame_index as number, frame]));
}

/** The COCO RLE of an object in `outputs`; undefined when it has no mask there. */
export function rleOf(
  outputs: Message,
  objId: number,
): { size: [number, number]; counts: string } | undefined {
  const at = (outputs.out_obj_ids as number[]).indexOf(objId);
  return at < 0 ? undefined : outputs.out_binary_masks?.[at];
}

export const indicesOf = (frames: readonly Message[]): number[] => frames.map((one) => one.frame_index);

export function maskOf(outputs: Message, objId: number): Mask {
  const rle = rleOf(outputs, objId);
  expectThat(rle, `object ${objId} has no mask`);
  return decodeMask(rle);
}

export function iou(a: Mask, b: Mask): number {
  let both = 0;
  let either = 0;
  for (let at = 0; at < a.data.length; at++) {
    if (a.data[at] && b.data[at]) both++;
    if (a.data[at] || b.data[at]) either++;
  }
  return either === 0 ? 1 : both / either;
}

export { maskArea };

/** An upload of pictures in a ZIP archive under these names. */
export async function pictureArchive(
  names: readonly string[],
  content: (name: string, index: number) => Promise<Uint8Array> = (_name, index) => picture(index),
): Promise<Buffer> {
  return zip(
    await Promise.all(names.map(async (name, index) => ({ name, content: await content(name, index) }))),
  );
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The entry of the session in `GET /v1/sessions`. */
export async function summaryOf(lab: Lab, { id }: Pick<Session, "id">): Promise<Message> {
  const { body } = await lab.http("/v1/sessions");
  const own = body.sessions.find((one: Message) => one.session_id === id);
  expectThat(own, "the session is not in the list of sessions");
  return own;
}
