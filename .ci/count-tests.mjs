// count-tests.mjs FOLDER [FAILED_STEP...]: prints "N passed, N failed" from the JSON reports of vitest in the folder.
// A test file that could not be loaded, an empty report, and a failed step without a report count as one failure each.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, ...failedSteps] = process.argv.slice(2);
const reports = readdirSync(folder).filter((name) => name.endsWith(".json"));
let passed = 0;
let failed = failedSteps.filter((step) => !reports.includes(`${step}.json`)).length;
for (const name of reports) {
  const text = readFileSync(join(folder, name), "utf8");
  const report = text === "" ? { numPassedTests: 0, numFailedTests: 0, testResults: [] } : JSON.parse(text);
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
  );
  let failures = report.numFailedTests + brokenFiles.length;
  // A suite of which no test ran, or that failed outside its tests, has failed as well.
  const step = name.slice(0, -".json".length);
  if (failures === 0 && (report.numPassedTests === 0 || failedSteps.includes(step))) failures = 1;
  passed += report.numPassedTests;
  failed += failures;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
