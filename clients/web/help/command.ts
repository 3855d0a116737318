/** An action of the page, as the registry of commands has it. */
export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  readonly keys: readonly string[];
  enabled(): boolean;
}

/** How well a command fits what was typed: 0 not at all; a command whose words start with the typed words comes first. */
export function matchScore(title: string, typed: string): number {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return 1;
  const name = title.toLowerCase();
  let score = 0;
  for (const word of words) {
    const at = name.indexOf(word);
    if (at < 0) return 0;
    score += at === 0 ? 4 : /[\s:(]/.test(name.charAt(at - 1)) ? 3 : 1;
  }
  return score / words.length;
}

/** The commands that fit, best first; equal ones stay in their order. */
export function search<T extends Command>(commands: readonly T[], typed: string): T[] {
  return commands
    .map((command) => ({ command, score: matchScore(`${command.title} ${command.group}`, typed) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ command }) => command);
}

const NAMES: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  Delete: "Del",
};

/** The parts of a key such as `Ctrl+Shift+ArrowLeft`, as they are printed on keyboards. */
export function keyParts(key: string, isMac = false): string[] {
  const parts = key === "+" || key.endsWith("++") ? [...key.slice(0, -2).split("+"), "+"] : key.split("+");
  return parts.filter(Boolean).map((part) => (isMac && part === "Ctrl" ? "⌘" : (NAMES[part] ?? part)));
}

export const isMac = (platform: string): boolean => /Mac|iPhone|iPad/.test(platform);
