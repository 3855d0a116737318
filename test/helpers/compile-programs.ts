/**
 * Compiles the sources once for all test files, see `server/child-programs.ts`. The compiler keeps what did not change since
 * the last time.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const root = fileURLToPath(new URL("../../", import.meta.url));

export async function setup(project: TestProject): Promise<void> {
  await compile();
  project.onTestsRerun(compile);
}

/** Sources with errors are started with the TypeScript loader. */
async function compile(): Promise<void> {
  // In the root, so that the compiled code finds the packages.
  const folder = join(root, "dist-test.tmp");
  const args = [
    ...[join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json")],
    ...["--outDir", folder, "--declaration", "false", "--sourceMap", "false", "--inlineSources", "false"],
    ...["--incremental", "--tsBuildInfoFile", join(folder, "build-info")],
  ];
  try {
    await promisify(execFile)(process.execPath, args);
    process.env.MASKLET_TEST_PROGRAMS = folder;
  } catch {
    delete process.env.MASKLET_TEST_PROGRAMS;
  }
}
