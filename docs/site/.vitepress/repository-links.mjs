// Links of the documents lead to files of the repository. On the site, README.md is the home page, a folder is its README.md,
// and a source file is a page that shows it.

import { posix } from "node:path";
import { isSource, linkedFile, sourcePage } from "../pages.mjs";

export function repositoryLinks(md) {
  const open =
    md.renderer.rules.link_open ??
    ((tokens, index, options, _, self) => self.renderToken(tokens, index, options));
  md.renderer.rules.link_open = (tokens, index, options, env, self) => {
    const token = tokens[index];
    const href = token.attrGet("href");
    const target = href === null ? undefined : siteLink(env.relativePath, href);
    if (target !== undefined) token.attrSet("href", target);
    return open(tokens, index, options, env, self);
  };
}

/** The link of a page on the site; undefined when it stays as it is. `page` is "index.md" for README.md. */
function siteLink(page, href) {
  const document = page === "index.md" ? "README.md" : page;
  const file = linkedFile(document, href);
  if (file === undefined) return undefined;
  const anchor = /#.*$/.exec(href)?.[0] ?? "";
  const target = file === "README.md" ? "index.md" : isSource(file) ? sourcePage(file) : file;
  return posix.relative(posix.dirname(page), target).replace(/^(?!\.)/, "./") + anchor;
}
