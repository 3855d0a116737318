// The site has the files of the repository at their own paths, so that every relative link works on both.

import { slug } from "github-slugger";
import { defineConfig } from "vitepress";
import { repositoryLinks } from "./repository-links.mjs";
import { sidebar } from "./sidebar.mjs";

/** Pages import Vue from their own place in the repository, where it is not installed; the built pages run in this folder. */
const vueOfTheSite = {
  name: "vue-of-the-site",
  enforce: "pre",
  resolveId: (id, _importer, { ssr }) =>
    ssr && (id === "vue" || id === "vue/server-renderer") ? { id, external: true } : null,
};

export default defineConfig({
  title: "masklet",
  description: "Video segmentation and tracking server",
  lang: "en",
  srcDir: "../..",
  outDir: "./dist",
  cacheDir: "./node_modules/.vitepress",
  srcExclude: ["**/.*/**", "test/**", "packs/**", "dist*/**", "**/test-output/**", "docs/site/**"],
  rewrites: { "README.md": "index.md" },
  lastUpdated: false,
  markdown: {
    // Messages of the server, which a test compares with the sources, are text. So are unknown languages.
    defaultHighlightLang: "txt",
    anchor: { slugify: slug },
    config: (md) => repositoryLinks(md),
  },
  vite: { plugins: [vueOfTheSite], build: { chunkSizeWarningLimit: 3000 } },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    nav: [
      { text: "Start", link: "/docs/start" },
      { text: "Guides", link: "/docs/guides/annotate" },
      { text: "Protocol", link: "/PROTOCOL" },
      { text: "Reference", link: "/docs/reference/typescript/masklet/client" },
    ],
    sidebar,
  },
});
