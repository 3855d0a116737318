/** `npm run docs` fills in the generated parts of PROTOCOL.md; with `--check` it only says whether they are current. */
import { readFileSync, writeFileSync } from "node:fs";
import { fillIn } from "./generate.js";

const path = new URL("../../PROTOCOL.md", import.meta.url);
const before = readFileSync(path, "utf8");
const after = fillIn(before);

if (process.argv.includes("--check")) {
  if (after !== before) {
    console.error("PROTOCOL.md differs from the schemas: run `npm run docs` and commit the result.");
    process.exitCode = 1;
  }
} else if (after !== before) {
  writeFileSync(path, after);
}
