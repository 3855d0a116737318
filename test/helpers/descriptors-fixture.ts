/**
 * Uses media with few file descriptors left. Run as a process of its own with a low limit, as in
 * `ulimit -n 500; node --import tsx descriptors-fixture.ts clip.mp4 still.png`. Prints one JSON object.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { readConfig } from "../../server/config.js";
import { openMedia } from "../../server/media/open.js";
import { createShares } from "../../server/shares/shares.js";
import { createUploadStore } from "../../server/uploads/store.js";

const [clip = "", still = ""] = process.argv.slice(2);
const size = { width: 96, height: 64 };

const open = async (path: string) => (await openMedia(path)).close();
const attempt = (task: () => Promise<unknown>) =>
  task().then(
    () => "done",
    (error) => error.code ?? `${error.name}: ${error.message}`,
  );

/**
 * Frames of a video of 30 frames, each of which needs a decoder of its own: no two in a row are near each other, and each is the
 * last one that its decoder reads.
 */
const DISTANT_FRAMES = [23, 17, 11, 5, 29] as const;

// Loads everything that is loaded on demand, and opens the video that is read below.
const media = await openMedia(clip);
await media.frame(29, size);
await open(still);
const picture = readFileSync(still);
const limits = readConfig({}, {});
const store = createUploadStore({ limits, shares: createShares({ limits }) });
async function upload(): Promise<void> {
  async function* body() {
    yield picture;
  }
  const { uploadId } = await store.receive(body());
  await store.remove(uploadId);
}
await upload();

const outcomes: Record<string, string>[] = [];
for (let free = 0; free <= 8; free++) {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    for (const descriptor of taken.splice(0, free)) closeSync(descriptor);
  }
  outcomes.push({
    video: await attempt(() => open(clip)),
    frame: await attempt(() => media.frame(DISTANT_FRAMES[free % 5] ?? 0, size)),
    still: await attempt(() => open(still)),
    upload: await attempt(upload),
  });
  for (const descriptor of taken) closeSync(descriptor);
}
const afterwards = {
  video: await attempt(() => open(clip)),
  frame: await attempt(() => media.frame(29, size)),
};
await media.close();
await store.close();
console.log(JSON.stringify({ outcomes, afterwards }));
