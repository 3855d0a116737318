/**
 * `npm run docs` writes the generated parts of the documents; with `--check` it only compares them. Both report links that
 * lead nowhere.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { documents } from "../../docs/site/pages.mjs";
import { DOCUMENTS, fillIn } from "./generate.js";
import { brokenLinks } from "./links.js";
import { read } from "./markdown.js";

const isCheck = process.argv.includes("--check");

for (const document of DOCUMENTS) {
  const path = new URL(`../../${document}`, import.meta.url);
  const before = readFileSync(path, "utf8");
  const after = fillIn(before);
  if (after === before) continue;
  if (isCheck) {
    console.error(`${document} differs from the schemas: run \`npm run docs\` and commit the result.`);
    process.exitCode = 1;
  } else writeFileSync(path, after);
}

for (const document of documents()) {
  for (const problem of brokenLinks(document, read(document))) {
    console.error(problem);
    process.exitCode = 1;
  }
}
