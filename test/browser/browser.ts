/** Chromium and its pages. Each page starts with an empty profile, and reports errors of its console and jumps of its layout. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { expect } from "vitest";

/** Pictures of each step, to be inspected by people. Git ignores the folder. */
const PICTURES = fileURLToPath(new URL("../../test-output/browser", import.meta.url));

export interface TestPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the console, uncaught exceptions and jumps of the layout reported since the last call. */
  takeErrors(): Promise<string[]>;
  /** Takes a picture of the page under the next number. */
  picture(name: string): Promise<void>;
  /** A picture, axe without serious findings, and no errors. */
  expectClean(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH;
  if (executablePath === undefined) throw new Error("set CHROMIUM_PATH, or use npm run test:browser");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio", ...args],
  });
}

export interface PageOptions extends BrowserContextOptions {
  /** Subfolder for pictures. */
  folder: string;
}

/** Waiting is for states and never for a time; this is the time after which a state is missing. */
const PATIENCE_MS = 90_000;

export async function openPage(browser: Browser, { folder, ...options }: PageOptions): Promise<TestPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  // Dialogs of the system cannot be operated here; the page then downloads through a link.
  await context.addInitScript(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  // The loader of the measuring scripts names functions by it.
  await context.addInitScript("globalThis.__name ??= (one) => one");
  await context.addInitScript(watchLayout);
  return testPage(context, folder);
}

/** Another page of the same profile. */
export async function testPage(context: BrowserContext, folder: string): Promise<TestPage> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  let pictures = 0;
  mkdirSync(join(PICTURES, folder), { recursive: true });
  const picture = async (name: string) => {
    const number = String(++pictures).padStart(2, "0");
    await page.screenshot({ path: join(PICTURES, folder, `${number}-${name}.png`) });
  };
  const takeErrors = async () => {
    const jumps = await page.evaluate(() =>
      (window as unknown as { layoutJumps?: string[] }).layoutJumps?.splice(0),
    );
    return [...errors.splice(0), ...(jumps ?? [])];
  };
  return {
    page,
    context,
    takeErrors,
    picture,
    async expectClean(name) {
      await picture(name);
      const findings = [...(await takeErrors()), ...(await seriousFindings(page))];
      // At once: the report comes only after the last test.
      for (const finding of findings) console.error(`${folder}, ${name}: ${finding}`);
      expect.soft(findings, `errors, jumps of the layout and findings of axe at "${name}"`).toEqual([]);
    },
    close: () => (context.pages().length > 1 ? page.close() : context.close()),
  };
}

/** Runs in the page. Records parts of the page that change their place without a change of the window. */
function watchLayout(): void {
  const jumps: string[] = [];
  Object.assign(window, { layoutJumps: jumps });
  /** Lists: their rows move when one is added or removed, and text flows where it is read. */
  const flows = ".objects-list, .timeline-rows, .notices, .hint, dialog, .bring, .keep-banner, .stage-cross";
  const place = ({ x, y, width, height }: DOMRectReadOnly) => `${[x, y, width, height].map(Math.round)}`;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { sources } = entry as unknown as {
        sources: { node: Node | null; previousRect: DOMRectReadOnly; currentRect: DOMRectReadOnly }[];
      };
      for (const { node, previousRect, currentRect } of sources) {
        const element = node instanceof Element ? node : node?.parentElement;
        if (!element?.isConnected || element.closest(flows)) continue;
        // Another size: its own text has changed. What that moves keeps its size.
        const [before, now] = [previousRect, currentRect];
        if (Math.abs(before.width - now.width) > 1 || Math.abs(before.height - now.height) > 1) continue;
        if (place(before) === place(now)) continue;
        const name = `${element.tagName.toLowerCase()}.${element.className}`;
        jumps.push(`layout jump: ${name} from ${place(previousRect)} to ${place(currentRect)}`);
      }
    }
  }).observe({ type: "layout-shift", buffered: true });
}

/** Serious and critical findings of axe, as text. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page: page as never }).analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}
