/** The annotator page of a running server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import openInBrowser from "open";
import type { ServerConfig } from "../../server/config.js";
import type { RunningServer } from "../../server/main.js";
import { makeSample } from "./sample.js";

/** The address of the page: a browser on this machine reaches a server on all addresses as `localhost`. */
export function pageUrl(host: string, port: number): string {
  const name = ["0.0.0.0", "::"].includes(host) ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}/`;
}

/** False in a session without a screen, such as one over SSH. */
export function hasScreen(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): boolean {
  if (env.CI || env.SSH_CONNECTION) return false;
  return platform !== "linux" || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME);
}

/** Writes the address of the page to `output`, and opens it if `isOpened`. Draws the sample clip in the background, until `signal`. */
export async function offerPage(
  { port }: Pick<RunningServer, "port">,
  { host, webDir, sampleClip }: Pick<ServerConfig, "host" | "webDir" | "sampleClip">,
  { isOpened, output, signal }: { isOpened: boolean; output: NodeJS.WritableStream; signal: AbortSignal },
): Promise<void> {
  if (sampleClip !== undefined) {
    makeSample(sampleClip, signal).catch((error: Error) => {
      if (!signal.aborted) process.stderr.write(`The sample clip cannot be written: ${error.message}\n`);
    });
  }
  if (!existsSync(join(webDir, "index.html"))) {
    if (isOpened) process.stderr.write("The annotator page is not built; run npm run build.\n");
    return;
  }
  const url = pageUrl(host, port);
  output.write(`Annotate in a browser: ${url}\n`);
  if (!isOpened || !hasScreen(process.env, process.platform)) return;
  try {
    const browser = await openInBrowser(url);
    browser.on("error", () => {});
  } catch (error) {
    process.stderr.write(`No browser can be opened (${(error as Error).message}); open ${url} yourself.\n`);
  }
}
