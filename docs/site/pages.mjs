// The documents of the repository that are pages of the site, and the files that they link to.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Documents outside the root and `docs/`. */
const ELSEWHERE = [
  "clients/python/README.md",
  "training/README.md",
  "training/NOTES.md",
  "training/PROVENANCE.md",
];
/** Folders of `docs/` without documents that a person wrote: the tools of the site, and what they write. */
const LEFT_OUT = ["docs/site", "docs/reference"];

/** Every document, relative to the root, with `/`. */
export function documents() {
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  return [...top, ...below("docs"), ...ELSEWHERE].sort();
}

function below(folder) {
  if (LEFT_OUT.includes(folder)) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return below(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/**
 * The file of the repository that a link of a document names, relative to the root; undefined for links to other hosts, to
 * the same page, and to the root of the site.
 */
export function linkedFile(document, href) {
  if (/^([a-z][a-z+.-]*:|#|\/)/i.test(href)) return undefined;
  const path = decodeURI(href.replace(/[?#].*$/, ""));
  const file = relative(root, join(root, dirname(document), path))
    .split(sep)
    .join("/");
  const isFolder = existsSync(join(root, file)) && statSync(join(root, file)).isDirectory();
  return isFolder ? posix.join(file, "README.md") : file;
}

const isPicture = (file) => /\.(png|jpe?g|svg|gif|webp|avif)$/.test(file);

/** True for a file that a link leads to and that is neither a document nor a picture: the site shows it as a page of code. */
export function isSource(file) {
  return !file.endsWith(".md") && !isPicture(file) && existsSync(join(root, file));
}

/** The page that shows a source file. */
export const sourcePage = (file) => `docs/reference/source/${file}.md`;

/** The source files that the documents link to. */
export function linkedSources() {
  const found = new Set();
  for (const document of documents()) {
    const text = readFileSync(join(root, document), "utf8");
    for (const [, href] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const file = linkedFile(document, href);
      if (file !== undefined && isSource(file)) found.add(file);
    }
  }
  return [...found].sort();
}
