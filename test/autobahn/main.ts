/**
 * `npm run autobahn [-- URL]`: runs the cases of Autobahn's fuzzing client, adapted to this protocol, and prints a table.
 * Without a URL it starts a server. Exit code 1 when a case failed.
 */
import { startServer } from "../../server/main.js";
import { allCases, runCases } from "./all-cases.js";
import { limitsOf } from "./limits.js";

const [url] = process.argv.slice(2);
// The cases send thousands of messages in a few seconds.
const many = 1_000_000;
const server = url
  ? undefined
  : await startServer({
      port: 0,
      logLevel: "silent",
      maxRequestsPerMinute: many,
      maxRequestsPerMinutePerOwner: many,
    });
const target = { url: url ?? server?.url ?? "" };
try {
  const results = await runCases(target, allCases(await limitsOf(target.url)));
  for (const { id, verdict, what, behaviour } of results)
    console.log(`${id.padEnd(8)} ${verdict.padEnd(10)} ${what} → ${behaviour}`);
  const count = (verdict: string) => results.filter((one) => one.verdict === verdict).length;
  console.log(`${count("OK")} OK, ${count("NON-STRICT")} NON-STRICT, ${count("FAILED")} FAILED`);
  if (count("FAILED") > 0) process.exitCode = 1;
} finally {
  await server?.close();
}
