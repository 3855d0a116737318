/** Links of the documents lead to files that exist and to headings that they contain. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { linkedFile, root } from "../../docs/site/pages.mjs";
import { anchors, links, read } from "./markdown.js";

/** One sentence for each link of a document that leads nowhere. */
export function brokenLinks(document: string, text: string): string[] {
  return links(text).flatMap(({ line, href }) => {
    if (/^(https?|mailto):/.test(href)) return [];
    const where = `${document}:${line}: ${href}`;
    const file = href.startsWith("#") ? document : linkedFile(document, href);
    if (file === undefined) return [`${where} is no link to a file of the repository`];
    if (!existsSync(join(root, file))) return [`${where}: there is no ${file}`];
    const anchor = /#(.*)$/.exec(href)?.[1];
    if (anchor === undefined) return [];
    if (!file.endsWith(".md")) return [`${where}: ${file} has no headings`];
    const target = file === document ? text : read(file);
    return anchors(target).includes(anchor) ? [] : [`${where}: ${file} has no heading #${anchor}`];
  });
}
