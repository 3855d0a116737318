/** Another program deletes the folder of the uploads while the server runs. */
import { readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../../server/config.js";
import { createShares, type Shares } from "../../../server/shares/shares.js";
import { createUploadStore, type UploadStore } from "../../../server/uploads/store.js";
import { makeZip } from "../../helpers/archives.js";
import { makeClip, makeStill, mediaPath } from "../../helpers/media.js";

const lost = { code: "upload_not_found", message: expect.stringContaining("deleted on the server") };
const owner = "a";
let folders = 0;

describe.each(["temporary", "lasting"])("a %s folder", (kind) => {
  let parent: string;
  let store: UploadStore;
  let shares: Shares;
  let clip: Buffer;

  beforeEach(async () => {
    clip = await readFile(await makeClip({ name: "deleted.mp4", frames: 10 }));
    parent = join(mediaPath(`deleted-${++folders}/x`), "..");
    const limits = readConfig({}, {});
    shares = createShares({ limits });
    store = createUploadStore({ limits, shares, [kind === "lasting" ? "folder" : "parent"]: parent });
  });
  afterEach(() => store.close());

  const deleteAll = () => rmSync(parent, { recursive: true, force: true });
  const held = async () => {
    const used = Object.fromEntries((await shares.use(owner)).map((share) => [share.name, share.used]));
    return [used.uploads, used.diskBytes, used.transfers];
  };

  /** Yields a body in two halves, and calls `between` between them. */
  async function* halves(bytes: Uint8Array, between: () => void): AsyncGenerator<Uint8Array> {
    const middle = Math.floor(bytes.length / 2);
    yield bytes.subarray(0, middle);
    between();
    yield bytes.subarray(middle);
  }
  const whole = (bytes: Uint8Array) => halves(bytes, () => {});

  /** The store works as before. */
  async function expectWorking() {
    expect(await held()).toEqual([0, 0, 0]);
    const { uploadId } = await store.receive(whole(clip), { owner });
    await (await store.openMedia(uploadId, { owner })).close();
    expect(await held()).toEqual([1, clip.length, 0]);
  }

  it("deleted before an upload is made again", async () => {
    await store.receive(whole(clip), { owner });
    deleteAll();
    await store.receive(whole(clip), { owner });
    // The deleted upload holds nothing.
    await expect.poll(held).toEqual([1, clip.length, 0]);
    expect(readdirSync(parent)).toHaveLength(1);
  });

  it("deleted while a body arrives ends that upload with a code", async () => {
    await expect(store.receive(halves(clip, deleteAll), { owner })).rejects.toMatchObject(lost);
    await expectWorking();
  });

  it("deleted while a form arrives ends that upload with a code", async () => {
    const part = (name: string) => `--b\r\ncontent-disposition: form-data; name=f; filename=${name}\r\n\r\n`;
    const still = await readFile(await makeStill("deleted.png", 1));
    const form = Buffer.concat(
      [part("1.png"), still, `\r\n${part("2.png")}`, still, "\r\n--b--\r\n"].map((piece) =>
        Buffer.from(piece),
      ),
    );
    const sending = store.receive(halves(form, deleteAll), {
      owner,
      contentType: "multipart/form-data; boundary=b",
    });
    await expect(sending).rejects.toMatchObject(lost);
    await expectWorking();
  });

  it("deleted after the last byte of an archive ends that upload with a code", async () => {
    const still = await readFile(await makeStill("deleted.png", 1));
    const zip = await makeZip({ "1.png": still, "2.png": still });
    async function* body() {
      yield zip;
      deleteAll();
    }
    await expect(store.receive(body(), { owner })).rejects.toMatchObject(lost);
    await expectWorking();
  });

  it("deleted between the requests of a resumable upload ends that upload with a code", async () => {
    const { resumable } = store;
    const options = { owner, length: clip.length, filename: null, metadata: {} };
    const first = await resumable.create(options);
    await resumable.append(first.uploadId, owner, whole(clip.subarray(0, 3000)));
    deleteAll();
    await expect(resumable.append(first.uploadId, owner, whole(clip))).rejects.toMatchObject(lost);
    expect(await resumable.state(first.uploadId, owner)).toBeUndefined();

    const second = await resumable.create(options);
    deleteAll();
    // The first question finds out, unless the creation of the new folder did.
    await resumable.state(second.uploadId, owner).catch((error) => expect(error).toMatchObject(lost));
    expect(await resumable.state(second.uploadId, owner)).toBeUndefined();

    const third = await resumable.create(options);
    await expect(resumable.append(third.uploadId, owner, halves(clip, deleteAll))).rejects.toMatchObject(
      lost,
    );
    await expectWorking();
  });

  it("deleted after an upload makes it unknown", async () => {
    const ids = [
      (await store.receive(whole(clip), { owner })).uploadId,
      (await store.receive(whole(clip), { owner })).uploadId,
    ];
    deleteAll();
    await expect(store.openMedia(ids[0] as string, { owner })).rejects.toMatchObject(lost);
    await expect(store.find(ids[1] as string, owner)).rejects.toMatchObject(lost);
    await expectWorking();
  });
});
