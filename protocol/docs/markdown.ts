/** What the checks read of a document: headings, links and samples of code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import GithubSlugger from "github-slugger";
import MarkdownIt from "markdown-it";
import { root } from "../../docs/site/pages.mjs";

export interface Link {
  line: number;
  href: string;
}

export interface Sample {
  document: string;
  /** Line of the first line of code, from 1. */
  line: number;
  /** The word after the fence, such as `ts`; empty for indented code. */
  language: string;
  code: string;
}

const markdown = new MarkdownIt({ html: true });

export function read(document: string): string {
  return readFileSync(join(root, document), "utf8");
}

/** The anchors of the headings, as GitHub and the site name them. */
export function anchors(text: string): string[] {
  const slugger = new GithubSlugger();
  const tokens = markdown.parse(text, {});
  return tokens.flatMap((token, index) => {
    if (token.type !== "heading_open") return [];
    const parts = tokens[index + 1]?.children ?? [];
    const heading = parts.filter(({ type }) => type === "text" || type === "code_inline");
    return [slugger.slug(heading.map(({ content }) => content).join(""))];
  });
}

/** Links and pictures. */
export function links(text: string): Link[] {
  let line = 1;
  return markdown.parse(text, {}).flatMap((token) => {
    if (token.map) line = token.map[0] + 1;
    return (token.children ?? []).flatMap((child) => {
      const href = child.type === "image" ? child.attrGet("src") : child.attrGet("href");
      return href === null ? [] : [{ line, href: String(href) }];
    });
  });
}

export function samples(document: string, text: string): Sample[] {
  return markdown.parse(text, {}).flatMap((token) => {
    if (token.type !== "fence" && token.type !== "code_block") return [];
    const first = (token.map?.[0] ?? 0) + (token.type === "fence" ? 2 : 1);
    const language = token.info.trim().split(/\s+/)[0] ?? "";
    return [{ document, line: first, language, code: token.content }];
  });
}
