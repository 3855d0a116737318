/** H: what clients read of their sessions over HTTP. */
import sharp from "sharp";
import { decodeBinaryMessage } from "../../../protocol/index.js";
import { type Check, check } from "../check.js";
import { HEIGHT, WIDTH } from "../media.js";
import type { Message } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import {
  FRAMES,
  indicesOf,
  markedSession,
  pictureArchive,
  pictureSession,
  storedFrames,
  videoSession,
} from "./common.js";

const sizeOf = async (jpeg: Buffer) => {
  const { format, width, height } = await sharp(jpeg).metadata();
  return [format, width, height];
};

/** Records of a body that begin with these 32-bit numbers, the last of which is the length of the rest. */
function recordsOf(body: Buffer, numbers: 1 | 2): { numbers: number[]; bytes: Buffer }[] {
  const records = [];
  for (let at = 0; at < body.length; ) {
    const head = Array.from({ length: numbers }, (_, i) => body.readUInt32LE(at + 4 * i));
    at += 4 * numbers;
    const length = head.at(-1) as number;
    records.push({ numbers: head, bytes: body.subarray(at, at + length) });
    at += length;
  }
  return records;
}

export const readingChecks: Check[] = [
  check("the list of sessions", "H-21", async (lab, verify) => {
    const session = await videoSession(lab);
    await verify("H-21", async () => {
      const { status, body } = await lab.http("/v1/sessions");
      expectSame(status, 200, "the status");
      const own = (body.sessions as Message[]).find((one) => one.session_id === session.id);
      expectThat(own, "a session of this client is not in the list");
      expectSame(
        [own.session_token, own.kind, own.width, own.height, own.num_frames, own.state],
        [session.token, "video", WIDTH, HEIGHT, FRAMES, "idle"],
        "the facts of the session",
      );
    });
  }),

  check("times, bytes and pictures of frames", "H-22 H-23 H-24 H-25 H-26 H-27", async (lab, verify) => {
    const { id } = await videoSession(lab);
    const path = `/v1/sessions/${id}`;
    await verify("H-22", async () => {
      const { body } = await lab.http(`${path}/frame-times`);
      expectSame(body.num_frames, FRAMES, "num_frames");
      const times = body.timestamps_us as number[];
      expectSame(times.length, FRAMES, "the number of times");
      expectThat(
        times.every((time, at) => at === 0 || time > (times[at - 1] as number)),
        `times do not ascend: ${times}`,
      );
      const picture = await pictureSession(lab);
      const none = await lab.http(`/v1/sessions/${picture.id}/frame-times`);
      expectSame(none.body, { num_frames: 1, timestamps_us: null }, "the times of a picture");
    });
    const whole = await lab.http(`${path}/media`);
    await verify("H-23", async () => {
      expectSame(whole.status, 200, "the status of the whole file");
      const range = (value: string) => lab.http(`${path}/media`, { headers: { range: value } });
      const part = await range("bytes=4-11");
      expectSame([part.status, part.bytes.equals(whole.bytes.subarray(4, 12))], [206, true], "bytes 4 to 11");
      expectSame(
        part.headers.get("content-range"),
        `bytes 4-11/${whole.bytes.length}`,
        "the header Content-Range",
      );
      expectThat((await range("bytes=-5")).bytes.equals(whole.bytes.subarray(-5)), "the last 5 bytes");
      const beyond = await range(`bytes=${whole.bytes.length}-`);
      expectSame([beyond.status, beyond.body.error?.code], [416, "range_not_satisfiable"], "beyond the end");
      expectSame((await range("bytes=0-1,4-5")).status, 200, "several ranges");
    });
    await verify("H-24", async () => {
      const etag = whole.headers.get("etag") ?? "";
      const ask = (headers: Record<string, string>) => lab.http(`${path}/media`, { headers });
      expectSame((await ask({ "if-none-match": etag })).status, 304, "If-None-Match");
      expectSame((await ask({ range: "bytes=0-0", "if-range": etag })).status, 206, "If-Range");
      expectSame((await ask({ range: "bytes=0-0", "if-range": '"other"' })).status, 200, "another If-Range");
    });
    await verify("H-25", async () => {
      const { upload_id } = await lab.upload(await pictureArchive(["1.png", "2.png"]));
      const folder = await lab.session({ upload_id });
      const { status, body } = await lab.http(`/v1/sessions/${folder.id}/media`);
      expectSame([status, body.error?.code], [404, "no_single_file"], "a folder of pictures");
    });
    await verify("H-26", async () => {
      const one = await lab.http(`${path}/frames/3.jpeg`);
      expectSame(one.status, 200, "the status");
      expectSame(await sizeOf(one.bytes), ["jpeg", WIDTH, HEIGHT], "the picture");
      const small = await lab.http(`${path}/frames/3.jpeg?width=48`);
      expectSame(await sizeOf(small.bytes), ["jpeg", WIDTH / 2, HEIGHT / 2], "with width=48");
      const large = await lab.http(`${path}/frames/3.jpeg?width=4000`);
      expectSame(await sizeOf(large.bytes), ["jpeg", WIDTH, HEIGHT], "with width=4000");
      for (const [file, code] of [
        [`${FRAMES}.jpeg`, "frame_out_of_range"],
        ["x.jpeg", "invalid_field"],
        ["0.jpeg?width=0", "invalid_field"],
        ["0.jpeg?height=5", "unknown_field"],
      ])
        expectSame((await lab.http(`${path}/frames/${file}`)).body.error?.code, code, file as string);
    });
    await verify("H-27", async () => {
      const { bytes } = await lab.http(`${path}/frames?first=2&last=5&width=32`);
      const records = recordsOf(bytes, 2);
      expectSame(
        records.map(({ numbers }) => numbers[0]),
        [2, 3, 4, 5],
        "the frames",
      );
      for (const { bytes: jpeg } of records) expectSame((await sizeOf(jpeg))[1], 32, "the width");
      for (const [query, code] of [
        ["first=5&last=4", "invalid_field"],
        [`first=0&last=${FRAMES}`, "frame_out_of_range"],
        ["last=1", "missing_field"],
      ])
        expectSame((await lab.http(`${path}/frames?${query}`)).body.error?.code, code, query as string);
    });
  }),

  check("the page", "H-32", async (lab, verify) => {
    await verify("H-32", async () => {
      const page = await lab.http("/", { withoutKey: true });
      if (page.status === 404) throw new NotTried("this server has no page");
      expectSame(page.status, 200, "the status without a key");
      expectThat(/^text\/html/.test(page.headers.get("content-type") ?? ""), "the page is not HTML");
      expectThat(page.headers.get("content-security-policy"), "there is no Content-Security-Policy");
    });
  }),

  check("stored results", "H-28", async (lab, verify) => {
    const session = await markedSession(lab);
    const path = `/v1/sessions/${session.id}/results`;
    await verify("H-28", async () => {
      const { bytes } = await lab.http(`${path}?first=2&last=4`);
      const frames = bytes
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Message);
      expectSame(indicesOf(frames), [2, 3, 4], "the frames");
      const stored = await storedFrames(session);
      expectSame(frames[0]?.outputs, stored.get(2)?.outputs, "the outputs");
      const binary = await lab.http(`${path}?mask_format=binary`);
      const messages = recordsOf(binary.bytes, 1).map(
        ({ bytes: one }) => decodeBinaryMessage(one) as Message,
      );
      expectSame(indicesOf(messages), [...stored.keys()], "the frames of binary messages");
      expectSame(messages[0]?.outputs.out_packed_masks.length, 2, "the masks of a binary message");
    });
  }),

  check("the list of media", "H-31", async (lab, verify) => {
    await verify("H-31", async () => {
      const { status, body } = await lab.http("/v1/media");
      expectSame(status, 200, "the status");
      for (const { path, name, kind } of body.entries as Message[])
        expectThat(path && name && ["folder", "video", "image"].includes(kind), `an entry ${name}`);
      const outside = await lab.http("/v1/media?folder=/../../nowhere-conformance");
      expectThat(
        ["resource_forbidden", "resource_not_found"].includes(outside.body.error?.code),
        `a folder outside got ${outside.body.error?.code}`,
      );
    });
  }),
];
