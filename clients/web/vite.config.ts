import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** `MASKLET_URL`: the server behind the development server of Vite, `http://127.0.0.1:8765` by default. */
const target = process.env.MASKLET_URL ?? "http://127.0.0.1:8765";

export default defineConfig({
  root: at("."),
  // The page works below any path of a reverse proxy.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { outDir: at("../../dist/web"), emptyOutDir: true, target: "es2022", sourcemap: false },
  server: { proxy: { "/v1": { target, ws: true } } },
});
