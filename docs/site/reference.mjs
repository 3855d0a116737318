// Writes the API reference from the sources into docs/reference, which git ignores.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { slug } from "github-slugger";
import { pythonEnvironment } from "../../.ci/python-environment.mjs";
import { linkedSources, root, sourcePage } from "./pages.mjs";

const site = fileURLToPath(new URL(".", import.meta.url));
const reference = join(root, "docs/reference");
const LANGUAGES = { ".ts": "ts", ".mjs": "js", ".py": "py", ".sh": "sh", ".yaml": "yaml", ".json": "json" };
const GRIFFE = "griffe2md==1.5.1";

export function writeReference() {
  rmSync(reference, { recursive: true, force: true });
  mkdirSync(reference, { recursive: true });
  writeTypeScript();
  writePython();
  writeSources();
}

/** The three exports of package.json, from the comments of their sources. */
function writeTypeScript() {
  const args = [join(site, "node_modules/typedoc/bin/typedoc"), "--logLevel", "Error"];
  const { status } = spawnSync(process.execPath, args, { cwd: site, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** The Python client, from its docstrings. Without Python the page states why it is empty. */
function writePython() {
  const { scripts, reason } = pythonEnvironment("docs", { [GRIFFE]: "griffe2md" });
  const page = join(reference, "python.md");
  if (reason) {
    console.error(`Python reference skipped: ${reason}`);
    writeFileSync(page, `# Python reference\n\nThis build of the site has no Python reference: ${reason}\n`);
    return;
  }
  const cwd = join(root, "clients/python/src");
  const { status } = spawnSync(join(scripts, "griffe2md"), ["masklet", "-o", page], {
    cwd,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(page, linkHeadings(readFileSync(page, "utf8")));
}

/** griffe2md links every name of a type, also int and str. Only names with a heading on the page stay links. */
function linkHeadings(markdown) {
  const headings = [...markdown.matchAll(/^#+ `([\w.]+)`$/gm)].map(([, name]) => name);
  const anchors = new Map(headings.map((name) => [name, slug(name)]));
  const linked = markdown.replace(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(#([\w.]+)\)/g, (_, text, name) =>
    anchors.has(name) ? `[${text}](#${anchors.get(name)})` : text,
  );
  return linked.replace(/^## `masklet`$/m, "# Python reference");
}

/** A page for each source file that a document links to. */
function writeSources() {
  for (const file of linkedSources()) {
    const page = join(root, sourcePage(file));
    const code = readFileSync(join(root, file), "utf8").trimEnd();
    const language = LANGUAGES[extname(file)] ?? "txt";
    mkdirSync(dirname(page), { recursive: true });
    writeFileSync(page, `# ${file}\n\n\`\`\`\`${language}\n${code}\n\`\`\`\`\n`);
  }
}
