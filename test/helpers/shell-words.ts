/** Command lines, split as a shell splits them. */

/** The words of each command: lines are joined at `\`, and split at `&&`, `|`, `;` and redirections; quotes are removed. */
export function commandsOf(code: string): string[][] {
  const lines = code.replace(/\\\n/g, " ").split("\n");
  return lines.flatMap((line) => {
    const words = line.match(/(?:"[^"]*"|'[^']*'|\\.|[^\s;"'\\])+|;/g) ?? [];
    const commands: string[][] = [[]];
    let isRedirected = false;
    for (const word of words) {
      if (word.startsWith("#")) break;
      if (/^(&&|\|\|?|;|&)$/.test(word)) commands.push([]);
      else if (["do", "done", "then", "fi"].includes(word)) continue;
      else if (/^\d?>>?$/.test(word)) isRedirected = true;
      else if (isRedirected) isRedirected = false;
      else commands.at(-1)?.push(word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
    }
    return commands.map(withoutVariables).filter((command) => command.length > 0);
  });
}

function withoutVariables(words: string[]): string[] {
  const first = words.findIndex((word) => !/^[A-Z_a-z]\w*=/.test(word));
  return first < 0 ? [] : words.slice(first);
}
