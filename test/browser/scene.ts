/** The clip that the tests annotate: a drawn one, or one of the environment. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeClip } from "../../clients/demo/clip.js";
import { actorCentre, CLIP } from "../../clients/demo/scene.js";
import { ffmpegPath, ffprobePath } from "../../server/media/binaries.js";

const NUM_FRAMES = 40;

/** Positions are fractions of the width and height, on frame 0. */
export interface Scene {
  path: string;
  width: number;
  height: number;
  phrase: string;
  /** Whether the phrase must detect an object on frame 0. */
  findsPhrase: boolean;
  /** Inside of three objects. */
  points: readonly [Point, Point, Point];
  /** Around another object: left, top, right, bottom. */
  box: readonly [number, number, number, number];
}

export type Point = readonly [x: number, y: number];

const inside = (name: string): Point => {
  const [x, y] = actorCentre(name, 0);
  return [x / CLIP.width, y / CLIP.height];
};

/**
 * `MASKLET_BROWSER_CLIP` is a video, and `MASKLET_BROWSER_SCENE` the rest of its scene as JSON, such as
 * `{"phrase":"dog","points":[[0.4,0.5],[0.7,0.2],[0.2,0.8]],"box":[0.1,0.1,0.3,0.4]}`.
 * @param folder for the drawn clip
 */
export async function prepareScene(folder: string): Promise<Scene> {
  const given = process.env.MASKLET_BROWSER_CLIP;
  if (given !== undefined) {
    const size = execFileSync(ffprobePath(), [
      ...["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0"],
      given,
    ]);
    const [width, height] = String(size).trim().split(",").map(Number) as [number, number];
    const rest = JSON.parse(process.env.MASKLET_BROWSER_SCENE ?? "{}") as Partial<Scene>;
    if (!rest.points || !rest.box || rest.phrase === undefined)
      throw new Error("MASKLET_BROWSER_SCENE: expected JSON with phrase, points and box");
    return { findsPhrase: false, ...rest, path: given, width, height } as Scene;
  }
  const whole = join(folder, "whole.mp4");
  const path = join(folder, "shapes.mp4");
  await writeClip(whole);
  // Short, so that whole runs end soon.
  ffmpeg("-i", whole, "-frames:v", String(NUM_FRAMES), "-c:v", "libx264", "-pix_fmt", "yuv420p", path);
  rmSync(whole);
  const [x, y] = inside("yellow striped square");
  const [halfWidth, halfHeight] = [42 / CLIP.width, 42 / CLIP.height];
  return {
    path,
    width: CLIP.width,
    height: CLIP.height,
    phrase: "blue circle",
    findsPhrase: true,
    points: [inside("red circle"), inside("purple heart"), inside("green star")],
    box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight],
  };
}

/** A copy of a clip in a codec that browsers do not play. */
export function writeUnplayable(from: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "old-codec.mp4");
  ffmpeg("-i", from, "-frames:v", "12", "-c:v", "mpeg4", path);
  return path;
}

function ffmpeg(...args: readonly string[]): void {
  execFileSync(ffmpegPath(), ["-v", "error", "-y", ...args]);
}
