/** Chromium and its pages. Each page starts with an empty profile, and reports errors of its console. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Pictures of each step, to be inspected by people. Git ignores the folder. */
const PICTURES = fileURLToPath(new URL("../../test-output/browser", import.meta.url));

export interface TestPage {
  readonly page: Page;
  /** What the console and uncaught exceptions reported, and requests that failed, since the last call. */
  takeErrors(): string[];
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH;
  if (executablePath === undefined) throw new Error("set CHROMIUM_PATH, or use npm run test:browser");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio"],
  });
}

export interface PageOptions extends BrowserContextOptions {
  /** Subfolder for pictures. */
  folder: string;
}

export async function openPage(browser: Browser, { folder, ...options }: PageOptions): Promise<TestPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  // Dialogs of the system cannot be operated here; the page then downloads through a link.
  await context.addInitScript(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  let pictures = 0;
  mkdirSync(join(PICTURES, folder), { recursive: true });
  return {
    page,
    takeErrors: () => errors.splice(0),
    async picture(name) {
      const number = String(++pictures).padStart(2, "0");
      await page.screenshot({ path: join(PICTURES, folder, `${number}-${name}.png`) });
    },
    close: () => context.close(),
  };
}

/** Serious and critical findings of axe, as text. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page: page as never }).analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}
