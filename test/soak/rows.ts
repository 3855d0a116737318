/** Hostile files and requests, made on the fly: each kind that a client can send. All must end with an answer in time. */
import { rmSync } from "node:fs";
import sharp from "sharp";
import { zip } from "../../clients/conformance/archives.js";
import { clip, picture } from "../../clients/conformance/media.js";
import { movie } from "../../clients/conformance/movie.js";
import type { Random } from "./random.js";
import type { Tally } from "./report.js";
import type { SoakServer } from "./server.js";
import type { Task } from "./task.js";
import { type Answer, http, SoakWire } from "./wire.js";

/** Far more than an idle machine needs: other programs may use it as well. */
const SLOWEST_MS = 300_000;

/** A 38-byte WebP of 11585 × 11585 pixels. */
const TINY_WEBP = Buffer.from("UklGRh4AAABXRUJQVlA4TBEAAAAvQC1QCwdQhSJXof+BiOh/AAA=", "base64");

interface Lab {
  server: SoakServer;
  key: string;
  random: Random;
  tally: Tally;
  upload(bytes: Uint8Array): Promise<Answer>;
  wire(): Promise<SoakWire>;
}

/** Replaces a 32-bit number after an atom's name. */
function patched(bytes: Buffer, atom: string, offset: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(value, copy.indexOf(atom) + 4 + offset);
  return copy;
}

const solid = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: "navy" } })
    .jpeg({ quality: 20 })
    .toBuffer();

/** Uploads, starts a session, clicks once, closes. Returns the codes of the answers. */
async function tryMedia(lab: Lab, bytes: Uint8Array): Promise<string[]> {
  const { body } = await lab.upload(bytes);
  if (body.error) return [body.error.code];
  const wire = await lab.wire();
  const codes = ["uploaded"];
  try {
    const start = await wire.ask({ type: "start_session", upload_id: body.upload_id }, SLOWEST_MS);
    codes.push(start.error?.code ?? "started");
    if (start.error) return codes;
    const { session_id } = start;
    const last = Math.max(0, start.num_frames - 1);
    for (const frame_index of new Set([0, Math.min(last, 3)])) {
      const click = await wire.ask(
        {
          type: "predict",
          session_id,
          frame_index,
          point_coords: [[[0.5, 0.5]]],
          point_labels: [[1]],
          multimask_output: false,
        },
        SLOWEST_MS,
      );
      codes.push(click.error?.code ?? "clicked");
    }
    await wire.ask({ type: "close_session", session_id });
    return codes;
  } finally {
    await wire.close();
    await http({ http: lab.server.http, key: lab.key }, `/v1/uploads/${body.upload_id}`, {
      method: "DELETE",
    });
  }
}

/** A session on a picture of this size, for requests that ask for much. */
async function onPicture(
  lab: Lab,
  size: [number, number],
  use: (wire: SoakWire, session_id: string) => Promise<string[]>,
): Promise<string[]> {
  const { body } = await lab.upload(await picture(0, "jpeg", size));
  const wire = await lab.wire();
  try {
    const { session_id, error } = await wire.ask({ type: "start_session", upload_id: body.upload_id });
    if (error) return [error.code];
    const codes = await use(wire, session_id);
    await wire.ask({ type: "close_session", session_id });
    return codes;
  } finally {
    await wire.close();
    await http({ http: lab.server.http, key: lab.key }, `/v1/uploads/${body.upload_id}`, {
      method: "DELETE",
    });
  }
}

const codeOf = (answer: Answer) => (answer.error?.code as string | undefined) ?? "ok";

const ROWS: Record<string, (lab: Lab) => Promise<string[]>> = {
  "1 a WebP of 38 bytes": (lab) => tryMedia(lab, TINY_WEBP),
  "1 four of them at once": async (lab) =>
    (await Promise.all(Array.from({ length: 4 }, () => tryMedia(lab, TINY_WEBP)))).flat(),
  "1 an interlaced PNG of 16 bits": async (lab) => {
    const side = 4000;
    const image = sharp({ create: { width: side, height: side, channels: 3, background: "white" } });
    return tryMedia(lab, await image.toColourspace("rgb16").png({ progressive: true }).toBuffer());
  },
  "2 sixty phrases": (lab) =>
    onPicture(lab, [96, 64], async (wire, session_id) => {
      const answers = Array.from({ length: 60 }, (_, index) =>
        wire.ask({ type: "add_prompt", session_id, frame_index: 0, text: `thing ${index}` }, SLOWEST_MS),
      );
      return (await Promise.all(answers)).map(codeOf);
    }),
  "3 64 prompts on 12 megapixels": (lab) =>
    onPicture(lab, [4000, 3000], async (wire, session_id) => {
      const point_coords = Array.from({ length: 64 }, () => [[lab.random.next(), lab.random.next()]]);
      const point_labels = point_coords.map(() => [1]);
      return [
        codeOf(await wire.ask({ type: "predict", session_id, point_coords, point_labels }, SLOWEST_MS)),
      ];
    }),
  "4 sixty objects": (lab) =>
    onPicture(lab, [96, 64], async (wire, session_id) => {
      const answers = Array.from({ length: 60 }, (_, index) =>
        wire.ask(
          {
            type: "add_prompt",
            session_id,
            frame_index: 0,
            mask: { polygons: [[index, 1, index + 8, 1, index + 8, 9]] },
          },
          SLOWEST_MS,
        ),
      );
      return (await Promise.all(answers)).map(codeOf);
    }),
  "5 a video whose size changes": async (lab) => {
    const samples = [await solid(16), await solid(16), await solid(6000), await solid(8000), await solid(16)];
    return tryMedia(lab, movie({ samples, width: 16, height: 16, durationMs: 100 }));
  },
  "6 a declared count of 40 million samples": async (lab) => {
    const bytes = patched(await clip(3), "stsz", 8, 40_000_000);
    return tryMedia(lab, patched(bytes, "stts", 8, 40_000_000));
  },
  "6 two million frames in few bytes": async (lab) => {
    // One duration and one size for all.
    const bytes = patched(patched(await clip(3), "stts", 8, 2_000_000), "stsz", 4, 1);
    return tryMedia(lab, patched(bytes, "stsz", 8, 2_000_000));
  },
  "7 forty tiny pictures": async (lab) => {
    const png = await picture(0);
    const all = await Promise.all(Array.from({ length: 40 }, () => lab.upload(png)));
    for (const { body } of all)
      if (body.upload_id)
        await http({ http: lab.server.http, key: lab.key }, `/v1/uploads/${body.upload_id}`, {
          method: "DELETE",
        });
    return all.map(({ body }) => codeOf(body));
  },
  "8 all sessions of the server": async (lab) => {
    const { body } = await lab.upload(await picture(0));
    const wires = await Promise.all(Array.from({ length: 4 }, () => lab.wire()));
    const starts = await Promise.all(
      wires.flatMap((wire) =>
        Array.from({ length: 8 }, () => wire.ask({ type: "start_session", upload_id: body.upload_id })),
      ),
    );
    for (const [index, { session_id }] of starts.entries())
      if (session_id) await wires[Math.floor(index / 8)]?.ask({ type: "close_session", session_id });
    for (const wire of wires) await wire.close();
    await http({ http: lab.server.http, key: lab.key }, `/v1/uploads/${body.upload_id}`, {
      method: "DELETE",
    });
    const started = starts.filter(({ error }) => !error).length;
    if (started > 8) lab.tally.fault(`one owner started ${started} sessions`);
    return starts.map(codeOf);
  },
  "10 an upload folder that is removed": async (lab) => {
    rmSync(lab.server.uploads, { recursive: true, force: true });
    const { status, body } = await lab.upload(await picture(0));
    if (status !== 201)
      lab.tally.fault(`an upload after the folder was removed got ${status} ${body.error?.code}`);
    else
      await http({ http: lab.server.http, key: lab.key }, `/v1/uploads/${body.upload_id}`, {
        method: "DELETE",
      });
    return [codeOf(body)];
  },
  "11 eight megabytes of garbage": async (lab) => [
    codeOf((await lab.upload(lab.random.bytes(8_000_000))).body),
  ],
  "a ZIP bomb": async (lab) => [
    codeOf((await lab.upload(zip([{ name: "a.png", content: Buffer.alloc(150_000_000) }]))).body),
  ],
  "mutated videos": async (lab) => {
    const original = await clip(4);
    const codes: string[] = [];
    for (let index = 0; index < 25; index++) {
      const bytes = Buffer.from(original);
      for (let change = 0; change < 1 + lab.random.below(20); change++)
        bytes[lab.random.below(bytes.length)] = lab.random.below(256);
      codes.push(
        ...(await tryMedia(
          lab,
          bytes.subarray(0, lab.random.chance(0.3) ? lab.random.below(bytes.length) : undefined),
        )),
      );
    }
    return codes;
  },
};

export const rowsTask: Task = async ({ server, random, tally, options }) => {
  if (!options.rows) return;
  const key = server.key("files");
  const lab: Lab = {
    server,
    key,
    random,
    tally,
    upload: (bytes) =>
      http({ http: server.http, key }, "/v1/uploads", { method: "POST", body: Buffer.from(bytes) }),
    wire: () => SoakWire.open({ socket: server.socket, key }),
  };
  for (const [name, run] of Object.entries(ROWS)) {
    const start = performance.now();
    try {
      const codes = await run(lab);
      const counts = new Map<string, number>();
      for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
      if (counts.has("internal")) tally.fault(`${name}: internal`);
      const seen = [...counts].map(([code, count]) => (count > 1 ? `${count} × ${code}` : code)).join(", ");
      console.log(`  row ${name}: ${seen} (${Math.round(performance.now() - start)} ms)`);
      tally.count("rows");
    } catch (error) {
      tally.fault(`${name}: ${(error as Error).message}`);
    }
  }
};
