/** The pages in the order in which a newcomer needs them: one list for all pages. */
export const sidebar = [
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
      { text: "Label with Label Studio", link: "/docs/label-studio" },
      { text: "Label with CVAT", link: "/docs/cvat" },
      { text: "Meta's SAM 2 demo", link: "/docs/sam2-demo" },
      { text: "FiftyOne, supervision, labelme", link: "/docs/guides/python-tools" },
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
