/** D: exports and imports. */
import { type Check, check } from "../check.js";
import type { Lab, Reply, Session } from "../lab.js";
import type { Message } from "../probe.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";
import { FRAMES, markedSession, rleOf, storedFrames, summaryOf, videoSession } from "./common.js";

const exported = (lab: Lab, { id }: Session, path: string): Promise<Reply> =>
  lab.http(`/v1/sessions/${id}/export/${path}`);

const codeOf = ({ body }: Reply): string => body?.error?.code;

/** The masks of a COCO file, by frame and object. */
function cocoMasks({ annotations, images }: Message): Record<string, unknown> {
  const frames = new Map(images.map(({ id, frame_index }: Message) => [id, frame_index]));
  return Object.fromEntries(
    annotations.map((one: Message) => [
      `${frames.get(one.image_id)} ${one.track_id}`,
      one.segmentation.counts,
    ]),
  );
}

/** The category of an object in a COCO file. */
function categoryOf({ tracks, categories }: Message, objectId: number): string | undefined {
  const id = tracks.find((one: Message) => one.id === objectId)?.category_id;
  return categories.find((one: Message) => one.id === id)?.name;
}

async function storedMasks(session: Session): Promise<Record<string, unknown>> {
  const frames = await storedFrames(session, { output_prob_thresh: 0 });
  return Object.fromEntries(
    [...frames].flatMap(([frame, { outputs }]) =>
      (outputs.out_obj_ids as number[]).map((id) => [`${frame} ${id}`, rleOf(outputs, id)?.counts]),
    ),
  );
}

export const exportChecks: Check[] = [
  check("the formats of exports", "D-1", async (lab, verify) => {
    await verify("D-1", async () => {
      const { status, body } = await lab.http("/v1/exports");
      expectSame(status, 200, "the status");
      const coco = body.formats.find(({ id }: Message) => id === "coco");
      expectThat(coco, "no format has the id coco");
      expectSame([coco.media, coco.packing, coco.needs_pictures], ["text", "file", false], "facts of coco");
      const option = coco.options.find(({ name }: Message) => name === "masks");
      expectSame(option?.values, ["rle", "polygons"], "values of the option masks");
    });
  }),
  check("exports of a session", "D-2 D-3 D-4 D-5 D-6", async (lab, verify) => {
    const session = await markedSession(lab);
    const stored = await storedMasks(session);

    await verify("D-2", async () => {
      const { status, body } = await exported(lab, session, "coco");
      expectSame(status, 200, "the status");
      expectSame(cocoMasks(body), stored, "masks of the export");
      expectSame(body.images.length, FRAMES, "images");
    });
    await verify("D-3", async () => {
      const file = await exported(lab, session, "coco");
      const archive = await exported(lab, session, "labelme");
      expectSame(file.headers.get("content-type"), "application/json", "the type of a file");
      expectSame(archive.headers.get("content-type"), "application/zip", "the type of several files");
      expectSame(archive.bytes.subarray(0, 4).toString("latin1"), "PK\u0003\u0004", "the first bytes");
      for (const { headers } of [file, archive]) {
        const named = /^attachment; filename/.test(headers.get("content-disposition") ?? "");
        expectThat(named, `Content-Disposition is ${headers.get("content-disposition")}`);
      }
    });
    await verify("D-4", async () => {
      const { body } = await exported(lab, session, "coco?frames=2-4&objects=1");
      const expected = Object.entries(stored).filter(([key]) => /^[234] 1$/.test(key));
      expectSame(cocoMasks(body), Object.fromEntries(expected), "masks of frames 2 to 4 of object 1");
      const one = await exported(lab, session, "coco?frames=5");
      expectSame(
        one.body.images.map(({ frame_index }: Message) => frame_index),
        [5],
        "frames of frames=5",
      );
    });
    await verify("D-5", async () => {
      const { body } = await exported(lab, session, "labelme?preview=true");
      expectSame([body.format, body.num_frames, body.num_objects], ["labelme", FRAMES, 2], "the preview");
      expectSame([body.num_files, body.files.length], [FRAMES, FRAMES], "files of the preview");
      expectThat(body.files[0].beginning?.startsWith("{"), "the first file has no beginning");
    });
    await verify("D-6", async () => {
      const empty = await videoSession(lab);
      const errors: [Promise<Reply>, string, string | undefined][] = [
        [exported(lab, session, "none"), "invalid_field", "format"],
        [exported(lab, session, "coco?masks=png"), "invalid_field", "masks"],
        [exported(lab, session, "coco?mask=rle"), "unknown_field", "mask"],
        [exported(lab, session, `coco?frames=0-${FRAMES}`), "frame_out_of_range", "frames"],
        [exported(lab, session, "coco?objects=99"), "object_not_found", "objects"],
        [exported(lab, empty, "coco"), "mask_not_found", undefined],
      ];
      for (const [reply, code, field] of errors) {
        const answer = await reply;
        expectSame(codeOf(answer), code, "the code");
        if (field !== undefined) expectSame(answer.body.error.field, field, "the field");
      }
    });
  }),
  check("names in exports", "D-13 D-14", async (lab, verify) => {
    lab.requirePrompt("masks");
    const session = await markedSession(lab);
    const nameOf = ({ headers }: Reply) => headers.get("content-disposition") ?? "";
    await verify("D-13", async () => {
      const { name } = await summaryOf(lab, session);
      const stem = encodeURIComponent(name.replace(/\.\w+$/, ""));
      for (const format of ["coco", "labelme"]) {
        const given = nameOf(await exported(lab, session, format));
        expectThat(given.includes(stem), `Content-Disposition is ${given}, the video is ${name}`);
      }
    });
    await verify("D-14", async () => {
      lab.requirePrompt("text");
      await session.ok({ type: "rename", obj_id: 1, name: "Müller" });
      const marked = await exported(lab, session, "coco");
      expectSame(categoryOf(marked.body, 1), "Müller", "category of an object with a name");
      const phrased = await videoSession(lab);
      await phrased.ok({ type: "add_prompt", frame_index: 0, text: "red square" });
      const { objects } = await phrased.ok({ type: "get_session" });
      const found = objects.find(({ concept }: Message) => concept === "red square");
      if (!found) throw new NotTried("the model pack finds no object of the phrase");
      const category = async () => categoryOf((await exported(lab, phrased, "coco")).body, found.obj_id);
      expectSame(await category(), "red square", "category of an object of a concept");
      await phrased.ok({ type: "rename", concept: "red square", name: "sign" });
      await phrased.ok({ type: "rename", obj_id: found.obj_id, name: "the first" });
      expectSame(await category(), "sign", "category of a renamed concept");
    });
  }),
  check("the formats of imports", "D-15", async (lab, verify) => {
    await verify("D-15", async () => {
      const { status, body } = await lab.http("/v1/imports");
      expectSame(status, 200, "the status");
      const of = (id: string) => body.formats.find((one: Message) => one.id === id);
      expectSame(
        [of("coco")?.extensions, of("coco")?.as],
        [
          [".json", ".zip"],
          ["prompts", "locked"],
        ],
        "facts of coco",
      );
      expectSame(of("mot")?.as, ["prompts"], "kinds of a format of boxes");
    });
  }),
  check("imports into a session", "D-9 D-10 D-11 D-12", async (lab, verify) => {
    const source = await markedSession(lab);
    const { body: file } = await exported(lab, source, "coco?frames=2-4&objects=1");
    const stored = await storedMasks(source);
    const imported = (session: Session, query: string, content: unknown): Promise<Reply> =>
      lab.http(`/v1/sessions/${session.id}/import?${query}`, {
        method: "POST",
        body: JSON.stringify(content),
      });

    await verify("D-9", async () => {
      const session = await videoSession(lab);
      const { status } = await imported(session, "format=coco&as=locked", file);
      expectSame(status, 200, "the status");
      const masks = await storedMasks(session);
      for (const frame of [2, 3, 4])
        expectSame(masks[`${frame} 1`], stored[`${frame} 1`], `mask of frame ${frame}`);
      const { objects } = await session.ok({ type: "get_session" });
      expectSame(objects[0].locked_frames, [[2, 4]], "locked frames");
    });
    await verify("D-10", async () => {
      const session = await videoSession(lab);
      const first = await imported(session, "format=coco", file);
      const second = await imported(session, "format=coco", file);
      expectSame([first.body.objects[0].obj_id, first.body.objects[0].is_new], [1, true], "the object");
      expectSame(
        [second.body.objects[0].obj_id, second.body.objects[0].is_new],
        [1, false],
        "the same object",
      );
      const tracks = file.annotations.map(({ track_id: _, ...rest }: Message) => rest);
      const third = await imported(session, "format=coco", { ...file, annotations: tracks });
      expectSame(third.body.objects.length, file.annotations.length, "objects without identities");
    });
    await verify("D-11", async () => {
      const session = await videoSession(lab);
      const images = [...file.images, { ...file.images[0], id: 99, frame_index: FRAMES }];
      const annotations = [...file.annotations, { ...file.annotations[0], image_id: 99 }];
      const { body } = await imported(session, "format=coco", { ...file, images, annotations });
      expectSame([body.format, body.as], ["coco", "prompts"], "format and as");
      expectSame(body.imported, { masks: 3, boxes: 0, frames: 3 }, "imported");
      expectSame(
        body.skipped.map(({ count }: Message) => count),
        [1],
        "counts of skipped",
      );
    });
    await verify("D-12", async () => {
      const session = await videoSession(lab);
      const images = file.images.map((image: Message) => ({ ...image, width: 8, height: 8 }));
      for (const content of ["text", { ...file, images }]) {
        const { body } = await imported(session, "format=coco", content);
        expectSame([body.error?.code, body.error?.field], ["invalid_field", "file"], "code and field");
      }
      expectSame((await session.ok({ type: "get_session" })).obj_ids, [], "objects of the session");
    });
  }),
  check("exports of a live session", "D-7", async (lab, verify) => {
    const session = await lab.session({ live: true });
    await verify("D-7", async () => {
      expectSame(codeOf(await exported(lab, session, "coco")), "wrong_session_kind", "the code");
    });
  }),
];
