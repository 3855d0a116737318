/** U: uploads. */

import { form, tar, tarGzip, zip } from "../archives.js";
import { type Check, check } from "../check.js";
import type { Lab } from "../lab.js";
import { clip, picture } from "../media.js";
import type { Message } from "../probe.js";
import { expectSame, expectThat } from "../verdicts.js";
import { pictureArchive } from "./common.js";

const post = (lab: Lab, body: Uint8Array, headers: Record<string, string> = {}) =>
  lab.http("/v1/uploads", { method: "POST", body: Buffer.from(body), headers });

async function refused(lab: Lab, body: Uint8Array, code: string, what: string, headers = {}): Promise<void> {
  const answer = await post(lab, body, headers);
  expectSame(answer.body.error?.code ?? answer.status, code, what);
}

/** Sends a file by the protocol of resumable uploads. */
async function resumable(
  lab: Lab,
  bytes: Uint8Array,
  parts: number,
): Promise<{ location: string; last: Message; headers: Headers; status: number }> {
  const tus = { "tus-resumable": "1.0.0" };
  const created = await lab.http("/v1/uploads/tus", {
    method: "POST",
    headers: {
      ...tus,
      "upload-length": String(bytes.length),
      "upload-metadata": `filename ${btoa("clip.mov")}`,
    },
  });
  expectSame(created.status, 201, "the answer to POST");
  const location = new URL(created.headers.get("location") ?? "", lab.options.http).pathname;
  const size = Math.ceil(bytes.length / parts);
  for (let at = 0; ; at += size) {
    const part = bytes.subarray(at, at + size);
    const answer = await lab.http(location, {
      method: "PATCH",
      headers: { ...tus, "upload-offset": String(at), "content-type": "application/offset+octet-stream" },
      body: Buffer.from(part),
    });
    if (at + part.length >= bytes.length)
      return { location, last: answer.body, headers: answer.headers, status: answer.status };
    expectSame(answer.status, 204, "the answer to PATCH");
    const head = await lab.http(location, { method: "HEAD", headers: tus });
    expectSame(head.headers.get("upload-offset"), String(at + part.length), "Upload-Offset of HEAD");
  }
}

export const uploadChecks: Check[] = [
  check("one file", "U-2 U-3 U-4 U-8", async (lab, verify) => {
    const facts = await lab.upload(await clip(4), "?filename=dog.mov");
    await verify("U-8", async () => {
      expectSame(
        [facts.kind, facts.num_frames, facts.filename],
        ["video", 4, "dog.mov"],
        "kind, num_frames, filename",
      );
      const inArchive = await lab.upload(zip([{ name: "dog.mov", content: await clip(4) }]));
      expectSame([inArchive.kind, inArchive.num_frames], ["video", 4], "a video in an archive");
    });
    await verify("U-3", async () => {
      const again = await lab.http(`/v1/uploads/${facts.upload_id}`);
      expectSame([again.status, again.body], [200, facts], "the answer to GET");
    });
    const first = await lab.session({ upload_id: facts.upload_id });
    await verify("U-2", async () => {
      const second = await lab.session({ upload_id: facts.upload_id });
      expectSame([first.start.num_frames, second.start.num_frames], [4, 4], "num_frames of both sessions");
    });
    await verify("U-4", async () => {
      expectSame(
        (await lab.http(`/v1/uploads/${facts.upload_id}`, { method: "DELETE" })).status,
        204,
        "the answer to DELETE",
      );
      expectSame(
        (await lab.http(`/v1/uploads/${facts.upload_id}`)).body.error?.code,
        "upload_not_found",
        "the answer to GET",
      );
      await lab.probe.fails(
        { type: "start_session", upload_id: facts.upload_id },
        "upload_not_found",
        "upload_id",
      );
      await first.ok({ type: "predict", frame_index: 3, point_coords: [[[0.5, 0.5]]], point_labels: [[1]] });
    });
  }),

  check("archives and forms", "U-5 U-6 U-7 U-9 U-10 U-11", async (lab, verify) => {
    const entries = await Promise.all(
      ["2.png", "10.png"].map(async (name) => ({ name, content: await picture(0) })),
    );
    const { type, body } = form(entries);
    await verify("U-5", async () => {
      for (const [what, bytes] of [
        ["ZIP", zip(entries)],
        ["tar", tar(entries)],
        ["tar.gz", tarGzip(entries)],
      ] as const)
        expectSame((await lab.upload(bytes)).taken, ["2.png", "10.png"], `taken of a ${what}`);
      const answer = await post(lab, body, { "content-type": type });
      expectSame([answer.status, answer.body.taken], [201, ["2.png", "10.png"]], "the answer to a form");
    });
    await verify("U-6", async () => {
      const answer = await post(lab, zip(entries), { "content-type": "image/png" });
      expectSame(answer.body.num_frames, 2, "frames of a ZIP that is sent as image/png");
    });
    await verify("U-7", async () => {
      const facts = await lab.upload(await pictureArchive(["b/1.png", "a/2.png", "a/1.png"]));
      expectSame([facts.kind, facts.taken], ["frames", ["a/1.png", "a/2.png", "b/1.png"]], "kind and taken");
    });
    await verify("U-9", async () => {
      const inner = form([{ name: "frames.zip", content: zip(entries) }]);
      const answer = await post(lab, inner.body, { "content-type": inner.type });
      expectSame(answer.body.taken, ["2.png", "10.png"], "taken of a form with one archive");
    });
    await verify("U-10", async () => {
      const movie = { name: "a.mov", content: await clip(2) };
      await refused(lab, zip([...entries, movie]), "media_unsupported", "a video and pictures");
      await refused(lab, zip([movie, { ...movie, name: "b.mov" }]), "media_unsupported", "two videos");
    });
    await verify("U-11", async () => {
      const content = await picture(0);
      const facts = await lab.upload(
        tar([
          { name: "1.png", content },
          { name: "../outside.png", content },
          { name: "/absolute.png", content },
          { name: ".hidden.png", content },
          { name: "link.png", content, type: "2" },
          { name: "inner.zip", content: zip(entries) },
          { name: "notes.txt", content: Buffer.from("notes") },
        ]),
      );
      expectSame(facts.taken, ["1.png"], "taken");
      expectSame(facts.left_out_count, 6, "left_out_count");
      expectThat(
        (facts.left_out as Message[]).every(({ reason }) => reason),
        "a file is left out without a reason",
      );
    });
  }),

  check("archives that are refused", "U-13 U-14", async (lab, verify) => {
    const content = await picture(0);
    await verify("U-13", async () => {
      await refused(
        lab,
        zip([{ name: "1.png", content, isEncrypted: true }]),
        "media_unsupported",
        "an encrypted archive",
      );
      await refused(
        lab,
        zip([{ name: "1.png", content, method: 12 }]),
        "media_unsupported",
        "another method",
      );
      await refused(
        lab,
        zip([{ name: "1.png", content, isDamaged: true }]),
        "media_unreadable",
        "a wrong checksum",
      );
      await refused(
        lab,
        zip([{ name: "1.png", content }]).subarray(0, 200),
        "media_unreadable",
        "an archive that is cut short",
      );
    });
    await verify("U-14", async () => {
      const bomb = zip([{ name: "1.png", content: Buffer.alloc(160 * 1024 ** 2) }]);
      await refused(
        lab,
        bomb,
        "upload_too_large",
        `an archive of ${bomb.length} bytes that expands to 160 MiB`,
      );
    });
  }),

  check("refusals before the end of a body", "U-24 U-25", async (lab, verify) => {
    // Larger than all buffers between client and server, so that the server answers while the body is sent.
    const noise = new Uint8Array(64 * 1024 ** 2).fill(0xa5);
    const answer = await post(lab, noise);
    await verify("U-24", () =>
      expectSame([answer.status, answer.body.error?.code], [415, "media_unsupported"], "the answer to noise"),
    );
    await verify("U-25", () => expectSame(answer.headers.get("connection"), "close", "Connection"));
  }),

  check("resumable uploads", "U-15 U-16 U-17 U-18 U-19", async (lab, verify) => {
    const bytes = await clip(4);
    const upload = await resumable(lab, bytes, 3);
    const id = upload.location.split("/").at(-1) ?? "";
    await verify("U-15", () => expectSame(upload.status, 204, "the answer to the last PATCH"));
    await verify("U-18", async () => {
      expectSame(upload.headers.get("masklet-upload-id"), id, "Masklet-Upload-Id");
      const garbage = await resumable(lab, Buffer.from("no media".repeat(50)), 1);
      expectThat(garbage.status >= 400, `the answer to a file that is not media: ${garbage.status}`);
    });
    await verify("U-17", async () =>
      expectSame((await lab.session({ upload_id: id })).start.num_frames, 4, "num_frames"),
    );
    await verify("U-19", async () => {
      const { status, body } = await lab.http(`/v1/uploads/${id}`);
      expectSame([status, body.upload_id, body.num_frames], [200, id, 4], "the answer to GET");
    });
    await verify("U-16", async () => {
      const options = await lab.http("/v1/uploads/tus", { method: "OPTIONS" });
      const extensions = (options.headers.get("tus-extension") ?? "").split(",");
      for (const name of [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "termination",
        "expiration",
      ])
        expectThat(extensions.includes(name), `Tus-Extension has no ${name}: ${extensions}`);
      const gone = await lab.http(upload.location, {
        method: "DELETE",
        headers: { "tus-resumable": "1.0.0" },
      });
      expectThat([204, 400, 403, 404, 410].includes(gone.status), `the answer to DELETE: ${gone.status}`);
    });
  }),
];
