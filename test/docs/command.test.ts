/** docs/cli.md lists what the command and the server accept. */
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../clients/command/program.js";
import { read } from "../../protocol/docs/markdown.js";
import { SERVER_LIMITS } from "../../protocol/limits.js";
import { readConfig, variableOf } from "../../server/config.js";

/** The commands without further commands, each with its whole name. */
function leaves(command: Command, name = ""): [string, Command][] {
  if (command.commands.length === 0) return [[name, command]];
  return command.commands.flatMap((one) => leaves(one, name === "" ? one.name() : `${name} ${one.name()}`));
}

describe("docs/cli.md", () => {
  it.each(leaves(createProgram()))("lists every option of masklet %s", (name, command) => {
    const [first = ""] = name.split(" ");
    const section = read("docs/cli.md")
      .split(/^## masklet /m)
      .find((text) => text.startsWith(first));
    const missing = command.options.flatMap(({ long }) => (section?.includes(`\`${long}`) ? [] : [long]));
    expect(missing).toEqual([]);
  });

  it("lists every setting of the server that is not a limit", () => {
    const text = read("docs/cli.md");
    const settings = Object.keys(readConfig({}, {})).filter((name) => !(name in SERVER_LIMITS));
    // A setting without a default is not among them.
    for (const name of [...settings, "uploadDir", "saveDir", "keysFile"])
      expect(text).toContain(`\`${variableOf(name)}\``);
  });
});
