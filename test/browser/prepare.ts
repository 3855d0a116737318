/** Draws the clip once for all files of tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { prepareScene, type Scene } from "./scene.js";

declare module "vitest" {
  interface ProvidedContext {
    scene: Scene;
    /** A folder for media, deleted after the last test. */
    mediaFolder: string;
  }
}

export default async function prepare(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "masklet-test-browser-media-"));
  project.provide("mediaFolder", folder);
  project.provide("scene", await prepareScene(folder));
  return () => rmSync(folder, { recursive: true, force: true });
}
