import { readFileSync } from "node:fs";
import { join } from "node:path";
import { documents, root } from "../pages.mjs";

/** The pages in the order in which a newcomer needs them. */
const groups = [
  {
    text: "Start",
    items: [
      { text: "What masklet is", link: "/" },
      { text: "Five-minute start", link: "/docs/start" },
      { text: "Installation", link: "/docs/install" },
      { text: "Troubleshooting", link: "/docs/troubleshooting" },
    ],
  },
  {
    text: "Guides",
    items: [
      { text: "Annotate on the page", link: "/docs/guides/annotate" },
      { text: "Correct", link: "/docs/guides/correct" },
      { text: "Stream from a program", link: "/docs/guides/program" },
      { text: "Push live frames", link: "/docs/guides/live" },
      { text: "Batches", link: "/docs/guides/batch" },
      { text: "Exports and imports", link: "/docs/exports" },
      { text: "Bring SAM 3", link: "/docs/guides/sam3" },
      { text: "Label with X-AnyLabeling", link: "/docs/x-anylabeling" },
      { text: "Run it for a team", link: "/docs/team" },
    ],
  },
  {
    text: "Models",
    items: [
      { text: "Model packs", link: "/docs/packs" },
      { text: "GPUs and other providers", link: "/docs/gpu" },
      { text: "Tracking policy", link: "/docs/policy" },
      { text: "Training and export", link: "/training/README" },
    ],
  },
  {
    text: "Reference",
    items: [
      { text: "Protocol", link: "/PROTOCOL" },
      { text: "Command", link: "/docs/cli" },
      { text: "Library", link: "/docs/library" },
      { text: "TypeScript: masklet", link: "/docs/reference/typescript/masklet" },
      { text: "TypeScript: masklet/client", link: "/docs/reference/typescript/masklet/client" },
      { text: "TypeScript: masklet/protocol", link: "/docs/reference/typescript/masklet/protocol" },
      { text: "Python client", link: "/clients/python/README" },
      { text: "Python reference", link: "/docs/reference/python" },
    ],
  },
  {
    text: "Project",
    items: [
      { text: "Security", link: "/SECURITY" },
      { text: "Changelog", link: "/CHANGELOG" },
      { text: "Contributing", link: "/CONTRIBUTING" },
    ],
  },
];

/** One list for all pages. Documents of `docs/` that no group has follow in a group of their own. */
export function sidebar() {
  const listed = new Set(groups.flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`)));
  const others = documents().filter((document) => document.startsWith("docs/") && !listed.has(document));
  const items = others.map((document) => ({
    text: titleOf(document),
    link: `/${document.replace(/\.md$/, "")}`,
  }));
  return items.length > 0 ? [...groups, { text: "More", items }] : groups;
}

const titleOf = (document) => /^# (.+)$/m.exec(readFileSync(join(root, document), "utf8"))?.[1] ?? document;
