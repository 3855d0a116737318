/**
 * The notebook of SAM 2's image predictor (`notebooks/image_predictor_example.ipynb` of `facebookresearch/sam2`), call by
 * call. Without a picture it draws one with ffmpeg: a truck at the coordinates of the notebook's.
 *
 *     node --import tsx clients/examples/interactive.ts ws://127.0.0.1:8765 truck.jpg
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createImagePredictor, type LowResMask, type Prediction } from "masklet/client";

const [url = "ws://127.0.0.1:8765", picture] = process.argv.slice(2);
const client = await connect(url, { key: process.env.MASKLET_KEY });
const predictor = createImagePredictor(client);
const { upload_id } = await client.upload(picture ?? drawTruck());
await predictor.setImage({ upload_id });

// One click on the window is ambiguous between the window, the cab and the truck: the answer has three masks.
const click = await predictor.predict({
  point_coords: [[520, 375]],
  point_labels: [1],
  multimask_output: true,
});
show("click", click);

// A second click selects the truck; the best mask so far is refined.
const mask_input = best(click);
const refined = await predictor.predict({
  point_coords: [
    [500, 375],
    [1125, 625],
  ],
  point_labels: [1, 1],
  mask_input,
  multimask_output: false,
});
show("refine", refined);

// The same click as a negative one.
const excluded = await predictor.predict({
  point_coords: [
    [500, 375],
    [1125, 625],
  ],
  point_labels: [1, 0],
  mask_input,
  multimask_output: false,
});
show("exclude", excluded);

// A box around the wheel, then the wheel without its centre.
const boxed = await predictor.predict({ box: [425, 600, 700, 875], multimask_output: false });
show("box", boxed);
const without = await predictor.predict({
  point_coords: [[575, 750]],
  point_labels: [0],
  box: [425, 600, 700, 875],
  multimask_output: false,
});
show("box and point", without);

// Several boxes at once.
const batch = await predictor.predict({
  box: [
    [75, 275, 1725, 850],
    [425, 600, 700, 875],
    [1375, 550, 1650, 800],
    [1240, 675, 1400, 750],
  ],
  multimask_output: false,
});
batch.forEach((prediction, index) => {
  show(`box ${index}`, prediction);
});

await predictor.resetPredictor();
await client.deleteUpload(upload_id);
await client.close();

function best({ scores, logits }: Prediction): LowResMask {
  const mask = logits[scores.indexOf(Math.max(...scores))];
  if (!mask) throw new Error("the server proposed no mask");
  return mask;
}

function show(step: string, { masks, scores }: Prediction): void {
  masks.forEach(({ data }, index) => {
    const area = data.reduce((sum, bit) => sum + bit, 0);
    console.log(`${step}: mask ${index} has ${area} pixels, score ${scores[index]?.toFixed(3)}`);
  });
}

function drawTruck(): Buffer {
  const part = (x: number, y: number, w: number, h: number, colour: string) =>
    `drawbox=x=${x}:y=${y}:w=${w}:h=${h}:color=${colour}:t=fill`;
  const parts = [
    part(0, 780, 1800, 420, "0x8c8c84"),
    part(90, 290, 1620, 480, "0xc03a2b"),
    part(430, 310, 250, 130, "0xbfe3f2"),
    part(440, 610, 250, 250, "0x222222"),
    part(520, 690, 90, 90, "0xdddddd"),
    part(1385, 560, 250, 240, "0x222222"),
    part(1250, 685, 140, 60, "0xe8d44d"),
  ];
  const folder = mkdtempSync(join(tmpdir(), "masklet-example-"));
  const path = join(folder, "truck.png");
  const ffmpeg: string =
    process.env.FFMPEG_PATH ?? createRequire(import.meta.url)("@ffmpeg-installer/ffmpeg").path;
  try {
    execFileSync(ffmpeg, [
      ...[
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        `color=c=0x9cc3e6:s=1800x1200,format=rgb24,${parts.join(",")}`,
      ],
      ...["-frames:v", "1", path],
    ]);
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
