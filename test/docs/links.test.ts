/** `npm run docs -- --check` reports the same links. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sidebar } from "../../docs/site/.vitepress/sidebar.mjs";
import { documents, root } from "../../docs/site/pages.mjs";
import { brokenLinks } from "../../protocol/docs/links.js";
import { read } from "../../protocol/docs/markdown.js";

describe("links", () => {
  it.each(documents())("of %s lead to files and headings", (document) => {
    expect(brokenLinks(document, read(document))).toEqual([]);
  });

  it("that are broken are found", () => {
    const text =
      "# One `two`\n\n[a](#one-two) [b](#one) [c](missing.md) [d](/x)\n\n![e](docs/missing.png) [f](LICENSE#x)\n";
    expect(brokenLinks("README.md", text)).toEqual([
      "README.md:3: #one: README.md has no heading #one",
      "README.md:3: missing.md: there is no missing.md",
      "README.md:3: /x is no link to a file of the repository",
      "README.md:5: docs/missing.png: there is no docs/missing.png",
      "README.md:5: LICENSE#x: LICENSE has no headings",
    ]);
  });

  it("of the site's sidebar lead to pages, and list every page of docs/", () => {
    const pages = sidebar.flatMap(({ items }) => items.map(({ link }) => link));
    const files = pages.map((link) => (link === "/" ? "README.md" : `${link.slice(1)}.md`));
    const written = files.filter((file) => !file.startsWith("docs/reference/"));
    expect(written.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    const guides = documents().filter((document) => document.startsWith("docs/"));
    expect(guides.filter((document) => !files.includes(document))).toEqual([]);
  });
});
