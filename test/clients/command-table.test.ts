/** The table of commands: parsing, help, completion and docs/cli.md agree with it. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CommandSpec, leavesOf } from "../../clients/command/command-spec.js";
import { completionScript } from "../../clients/command/completion.js";
import { EXPORT_FORMAT_IDS, IMPORT_FORMAT_IDS } from "../../clients/command/format-ids.js";
import { createProgram } from "../../clients/command/program.js";
import { COMMANDS } from "../../clients/command/table.js";
import { EXPORT_FORMATS } from "../../server/exports/formats.js";
import { IMPORT_FORMATS } from "../../server/imports/formats.js";
import { callCommand } from "../helpers/command.js";
import { commandsOf } from "../helpers/shell-words.js";

const leaves = leavesOf(COMMANDS);

describe.each(leaves.map((leaf) => [leaf.words.join(" "), leaf.command] as const))(
  "masklet %s",
  (words, command) => {
    it("has two or three examples, which parse", async () => {
      expect(command.examples?.length).toBeGreaterThanOrEqual(2);
      expect(command.examples?.length).toBeLessThanOrEqual(3);
      for (const { line } of command.examples ?? []) {
        const called: string[] = [];
        const program = createProgram(withRuns(COMMANDS, (name) => called.push(name)));
        const [[first, ...args] = []] = commandsOf(line);
        await program.parseAsync(args, { from: "user" });
        expect([first, called]).toEqual(["masklet", [command.name]]);
      }
    });

    it("shows its options, arguments and examples in --help", async () => {
      const { status, stdout } = await callCommand([...words.split(" "), "--help"]);
      expect(status).toBe(0);
      for (const { flag } of command.options ?? []) expect(stdout).toContain(`  ${flag}`);
      for (const { line, meaning } of command.examples ?? [])
        expect(stdout).toContain(`  # ${meaning}\n  ${line}\n`);
      // Colours are for terminals only.
      expect(stdout).not.toContain("\u001b");
    });
  },
);

/** The same commands, which only report that they are called. */
function withRuns(commands: readonly CommandSpec[], called: (name: string) => void): CommandSpec[] {
  return commands.map((command) => ({
    ...command,
    ...(command.commands && { commands: withRuns(command.commands, called) }),
    ...(command.run && { run: async () => called(command.name) }),
  }));
}

it("names the formats of the registries", () => {
  expect(EXPORT_FORMATS.map(({ id }) => id)).toEqual([...EXPORT_FORMAT_IDS]);
  expect(IMPORT_FORMATS.map(({ id }) => id)).toEqual([...IMPORT_FORMAT_IDS]);
});

it("prints no completion for another shell", async () => {
  const { status, stderr } = await callCommand(["completion", "tcsh"]);
  expect([status, stderr]).toEqual([2, 'SHELL: expected bash, zsh, fish, got "tcsh".\n']);
});

const folder = mkdtempSync(join(tmpdir(), "masklet-completion-"));
writeFileSync(join(folder, "clip one.mp4"), "");

function hasShell(shell: string): boolean {
  return spawnSync(shell, ["-c", "true"]).status === 0;
}

/** What each command line can continue with. The last word is incomplete. */
const CASES: [line: string, contains: string[], lacks: string[]][] = [
  ["masklet ", ["track", "keys", "completion"], ["add"]],
  ["masklet tr", ["track"], ["serve"]],
  ["masklet keys ", ["add", "list", "remove"], ["track"]],
  ["masklet keys add --", ["--file", "--weight", "--help"], ["--text"]],
  ["masklet track x.mp4 --te", ["--text"], ["--out"]],
  ["masklet track x.mp4 --direction ", ["forward", "backward", "both"], ["--text"]],
  ["masklet export x --format you", ["youtube-vis"], ["coco"]],
  ["masklet completion ", ["bash", "zsh", "fish"], []],
  ["masklet track cl", ["clip one.mp4"], []],
];

describe("completion", () => {
  it("in bash offers commands, options, values and files", () => {
    const script = join(folder, "masklet.bash");
    writeFileSync(script, completionScript("bash", COMMANDS));
    const program = CASES.map(([line]) => {
      const words = line.split(" ");
      const quoted = words.map((word) => `'${word}'`).join(" ");
      return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; COMPREPLY=(); _masklet; printf '%s\\n' "\${COMPREPLY[@]}"; echo =`;
    });
    const output = execFileSync("bash", ["--norc", "-c", `source ${script}\n${program.join("\n")}`], {
      cwd: folder,
      encoding: "utf8",
    });
    expectCases(output);
  });

  const zsh = hasShell("zsh");
  it.skipIf(!zsh)(`in zsh offers the same${zsh ? "" : " (skipped: there is no zsh here)"}`, () => {
    writeFileSync(join(folder, "_masklet"), completionScript("zsh", COMMANDS));
    // zsh completes only in a terminal: the script types each line into a shell in a pseudo terminal. The keys ^X and ^G stand for
    // completion, which writes the matches to a file, and for the end of a case.
    const script = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; setopt no_auto_list no_auto_menu; fpath=(${folder} \\$fpath); autoload -Uz compinit; compinit -u -D; cd ${folder}"
zpty -w z 'compadd() { local -a found; builtin compadd -O found "$@"; (( $#found )) && print -rl -- $found >>list; builtin compadd "$@" }'
zpty -w z 'end-case() { print = >>list; BUFFER= }; zle -N end-case; bindkey "^G" end-case; bindkey "^X" complete-word'
zpty -w z "PS1=RE''ADY"
zpty -r z ready '*READY*'
for line in ${CASES.map(([line]) => JSON.stringify(line)).join(" ")}; do
  zpty -w -n z "$line"$'\\C-x\\C-g'
done
zpty -w z exit
while zpty -r z rest; do :; done
`;
    execFileSync("zsh", ["-f", "-c", script], { cwd: folder, timeout: 50_000 });
    expectCases(readFileSync(join(folder, "list"), "utf8"));
  });

  const fish = hasShell("fish");
  it.skipIf(!fish)(`in fish offers the same${fish ? "" : " (skipped: there is no fish here)"}`, () => {
    const script = join(folder, "masklet.fish");
    writeFileSync(script, completionScript("fish", COMMANDS));
    const lines = CASES.map(([line]) => `complete -C ${JSON.stringify(line)}; echo =`);
    const output = execFileSync("fish", ["--no-config", "-c", `source ${script}\n${lines.join("\n")}`], {
      cwd: folder,
      encoding: "utf8",
    });
    // Each line is a word, a tab and its meaning.
    expectCases(output.replace(/\t.*$/gm, ""));
  });

  function expectCases(output: string): void {
    const found = output.split("=\n");
    for (const [index, [line, contains, lacks]] of CASES.entries()) {
      const words = (found[index] ?? "").split("\n").map((word) => word.replaceAll("\\ ", " "));
      expect(words, line).toEqual(expect.arrayContaining(contains));
      for (const word of lacks) expect(words, line).not.toContain(word);
    }
  }
});
