/** `npm run bench -- <name> <options>`. The script compiles first, because the TypeScript loader would be measured, too. */
import { benchCompact } from "./compact.js";
import { benchReference } from "./reference.js";
import { benchTurns } from "./turns.js";
import { benchWire } from "./wire.js";

const BENCHES: Record<string, (args: string[]) => Promise<void>> = {
  compact: benchCompact,
  reference: benchReference,
  turns: benchTurns,
  wire: benchWire,
};

const [name = "", ...args] = process.argv.slice(2);
const bench = BENCHES[name];
try {
  if (!bench) throw new Error(`expected one of: ${Object.keys(BENCHES).join(", ")}; got "${name}".`);
  await bench(args);
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
