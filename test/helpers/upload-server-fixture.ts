/**
 * A server that a test kills. Prints its port.
 * `node --import tsx upload-server-fixture.ts UPLOAD_DIR SAVE_DIR`
 */
import { startServer } from "../../server/main.js";
import { createScriptedEngine } from "./scripted-engine.js";

const [uploadDir, saveDir] = process.argv.slice(2) as [string, string];
const server = await startServer(
  { port: 0, logLevel: "silent", uploadDir, saveDir },
  { engine: createScriptedEngine() },
);
process.stdout.write(`${server.port}\n`);
process.on("SIGTERM", () => void server.close().then(() => process.exit(0)));
