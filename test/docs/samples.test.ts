/** The samples of the documents: TypeScript is type-checked, Python compiled, command lines and JSON parsed. */
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { documents, root } from "../../docs/site/pages.mjs";
import { read, type Sample, samples } from "../../protocol/docs/markdown.js";
import { parseMessage, REQUEST_SCHEMAS, serverMessageSchema } from "../../protocol/index.js";
import { commandsOf } from "../helpers/shell-words.js";
import { shellProblems } from "./shell.js";

const all = documents().flatMap((document) => samples(document, read(document)));
const inLanguage = (...languages: string[]) => all.filter(({ language }) => languages.includes(language));
const place = ({ document, line }: Sample) => `${document}:${line}`;

/** What samples use without declaring it. A sample with an import of its own declares everything. */
const SURROUNDINGS = `
import type { MaskletClient, MaskletSession } from "masklet/client";
declare global {
  const url: string;
  const client: MaskletClient;
  const session: MaskletSession;
  const session_token: string;
  const jpeg: Uint8Array;
}
`;

/** Inside the repository, so that the samples find its packages; git ignores the name. */
const folder = join(root, `docs-samples-${process.pid}.tmp`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The messages of the compiler, each with the place of its sample. */
async function typeErrors(given: readonly Sample[]): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const config = {
    extends: "../tsconfig.json",
    compilerOptions: { rootDir: "..", noUnusedLocals: false },
    include: ["*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(folder, "surroundings.d.ts"), SURROUNDINGS);
  given.forEach(({ code }, index) => {
    writeFileSync(join(folder, `sample-${index}.ts`), `${code}\nexport {};\n`);
  });
  const compiler = [join(root, "node_modules/typescript/bin/tsc"), "-p", folder, "--pretty", "false"];
  const output = await promisify(execFile)(process.execPath, compiler, { cwd: folder }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
  rmSync(folder, { recursive: true, force: true });
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      line.replace(/^.*sample-(\d+)\.ts\((\d+),\d+\)/, (_, index: string, row: string) => {
        const sample = given[Number(index)];
        return sample ? `${sample.document}:${sample.line + Number(row) - 1}` : index;
      }),
    );
}

describe("samples in TypeScript", () => {
  it("have correct types; a wrong name is found", { timeout: 300_000 }, async () => {
    const given = inLanguage("ts", "typescript");
    expect(given.length).toBeGreaterThan(4);
    // One run of the compiler, which reads all sources.
    const wrong = { document: "X.md", line: 7, language: "ts", code: "await session.fly();\n" };
    expect(await typeErrors([...given, wrong])).toEqual([
      expect.stringMatching(/^X\.md:7: error TS2339: .*'fly'/),
    ]);
  });
});

const python = [process.env.PYTHON, "python3", "python"]
  .filter((name) => name !== undefined && name !== "")
  .find((name) => spawnSync(name as string, ["--version"]).status === 0);

/** The samples that Python cannot parse, each with the reason. */
function syntaxErrors(given: readonly Pick<Sample, "code">[]): string[] {
  const program = `
import ast, json, sys
for code in json.load(sys.stdin):
    try: ast.parse(code)
    except SyntaxError as error: print(f"{code[:40]!r}: {error}")
`;
  const input = JSON.stringify(given.map(({ code }) => code));
  const { stdout, status } = spawnSync(python ?? "", ["-c", program], { input, encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.split("\n").filter((line) => line !== "");
}

describe.skipIf(python === undefined)(
  `samples in Python${python ? "" : " (skipped: there is no Python)"}`,
  () => {
    it("compile; an error of syntax is found", () => {
      const given = inLanguage("python", "py");
      expect(given.length).toBeGreaterThan(1);
      const wrong = { code: "for frame in session.propagate()\n    pass\n" };
      expect(syntaxErrors([...given, wrong])).toEqual([expect.stringContaining("for frame in")]);
    });
  },
);

describe("command lines", () => {
  const given = inLanguage("sh", "bash", "shell");

  it("are many", () => expect(given.length).toBeGreaterThan(10));

  it.each(given.map((sample) => [place(sample), sample] as const))(
    "of %s have commands, options and files that exist",
    async (_, { code }) => {
      expect(await shellProblems(code)).toEqual([]);
    },
  );

  it("without a language are not commands: they would be unchecked", () => {
    const unchecked = inLanguage("").filter(({ code }) =>
      /^\s*(\$ )?(npx|npm|curl|masklet|python|pip) /m.test(code),
    );
    expect(unchecked.map(place)).toEqual([]);
  });

  it("are split into words as a shell splits them", () => {
    const code =
      'A=1 npx masklet track "a b.mp4" \\\n  --out - > x.jsonl && npm test # last\n\ncurl -d \'{"a":1}\' u | sh f';
    expect(commandsOf(code)).toEqual([
      ["npx", "masklet", "track", "a b.mp4", "--out", "-"],
      ["npm", "test"],
      ["curl", "-d", '{"a":1}', "u"],
      ["sh", "f"],
    ]);
  });

  it("with mistakes are found", async () => {
    const code = [
      "npx masklet track clip.mp4 --bx 1,2,3,4",
      "npx masklet track clip.mp4 --box 1,2,3",
      "npx masklet export 9f3c --format coca",
      "npx masklet fly",
      "npm run fly",
      "node --import tsx clients/examples/fly.ts",
      "curl http://127.0.0.1:8765/v1/fly",
      "fly",
    ].join("\n");
    expect(await shellProblems(code)).toEqual([
      expect.stringContaining("unknown option '--bx'"),
      expect.stringContaining("--box"),
      expect.stringContaining("coca is none of"),
      expect.stringContaining("fly"),
      expect.stringContaining("package.json has no script fly"),
      expect.stringContaining("there is no clients/examples/fly.ts"),
      expect.stringContaining("the server has no /v1/fly"),
      expect.stringContaining("the program fly is unknown"),
    ]);
  });
});

/** Why a sample of JSON is no message of the protocol; undefined when it is one, or has no `type`. */
function jsonProblem(code: string): string | undefined {
  try {
    const value = JSON.parse(code) as { type?: string };
    if (typeof value.type !== "string") return undefined;
    if (value.type in REQUEST_SCHEMAS) return parseMessage(code).error?.message;
    serverMessageSchema.parse(value);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("samples of JSON", () => {
  it("are valid by the schemas", () => {
    const problems = inLanguage("json").map((sample) => [place(sample), jsonProblem(sample.code)]);
    expect(problems.filter(([, problem]) => problem !== undefined)).toEqual([]);
  });

  it("with an unknown field are found", () => {
    expect(jsonProblem('{"type":"get_session","request_id":"1","session_id":"a","fly":1}')).toMatch(/fly/);
    expect(jsonProblem("{")).toBeDefined();
  });
});
