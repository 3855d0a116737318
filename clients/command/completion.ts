/** `masklet completion`: scripts for bash, zsh and fish, generated from the table of commands. */
import { type ArgumentSpec, type CommandSpec, leavesOf, type OptionSpec } from "./command-spec.js";
import { UsageError } from "./errors.js";
import { SHELLS, type Shell } from "./shells.js";

/** @throws UsageError for another shell */
export async function printCompletion(name: string, commands: readonly CommandSpec[]): Promise<void> {
  const shell = SHELLS.find((one) => one === name);
  if (!shell) throw new UsageError(`SHELL: expected ${SHELLS.join(", ")}, got "${name}".`);
  process.stdout.write(completionScript(shell, commands));
}

export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  return { bash, zsh, fish }[shell](levelsOf(commands));
}

/** What can follow the words of a command or group. */
interface Level {
  /** Such as `keys add`; empty for `masklet` itself. */
  words: string;
  commands: readonly CommandSpec[];
  options: readonly OptionSpec[];
  arguments: readonly ArgumentSpec[];
}

const HELP: OptionSpec = { flag: "--help", meaning: "show options and examples" };
const VERSION: OptionSpec = { flag: "--version", meaning: "print the version" };

function levelsOf(commands: readonly CommandSpec[]): Level[] {
  const groups = commands.filter((command) => command.commands);
  return [
    { words: "", commands, options: [HELP, VERSION], arguments: [] },
    ...groups.map((group) => ({
      ...{ words: group.name, commands: group.commands ?? [] },
      ...{ options: [HELP], arguments: [] },
    })),
    ...leavesOf(commands).map(({ words, command }) => ({
      ...{ words: words.join(" "), commands: [] },
      ...{ options: [...(command.options ?? []), HELP], arguments: command.arguments ?? [] },
    })),
  ];
}

/** In single quotes. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const wordsOf = (level: Level) => level.commands.map(({ name }) => name);
const flagsOf = (level: Level) => level.options.map(({ flag }) => flag);

/** The values of options: one pattern of `case` for each option with a value. */
function bash(levels: readonly Level[]): string {
  const cases = levels.map((level) => {
    const values = level.options.flatMap((option) => {
      const words = bashValues(option);
      return words === undefined ? [] : [`        ${option.flag}) ${words}; return ;;`];
    });
    const [first] = level.arguments;
    const words = [...wordsOf(level), ...flagsOf(level), ...(first?.values ?? [])].join(" ");
    const files = level.arguments.some(({ kind }) => kind !== "text");
    const onlyFolders = level.arguments.every(({ kind }) => kind === "folder");
    return [
      `    ${quote(level.words)})`,
      ...(values.length > 0 ? ['      case "$previous" in', ...values, "      esac"] : []),
      `      COMPREPLY=($(compgen -W ${quote(words)} -- "$current"))`,
      ...(files
        ? [`      [[ $current == -* ]] || ${onlyFolders ? "_masklet_folders" : "_masklet_files"}`]
        : []),
      "      ;;",
    ].join("\n");
  });
  const known = levels.map(({ words }) => words).filter((words) => words !== "");
  return `# bash completion of masklet. Load it with: source <(masklet completion bash)

_masklet_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY+=($(compgen -f -- "$current"))
}

_masklet_folders() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY+=($(compgen -d -- "$current"))
}

_masklet() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words="" word next
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${words:+$words }$word"
    case "$next" in
      ${known.map(quote).join(" | ")}) words="$next" ;;
    esac
  done
  case "$words" in
${cases.join("\n")}
  esac
}

complete -F _masklet masklet
`;
}

/** The statement that completes the value of an option; undefined for an option without a value. */
function bashValues({ value, values, kind, isValueOptional }: OptionSpec): string | undefined {
  if (value === undefined || isValueOptional) return undefined;
  if (values) return `COMPREPLY=($(compgen -W ${quote(values.join(" "))} -- "$current"))`;
  if (kind === "file") return "_masklet_files";
  return kind === "folder" ? "_masklet_folders" : ":";
}

function zsh(levels: readonly Level[]): string {
  const functions = levels.map((level) => {
    const specs = level.options.map((option) => quote(zshOption(option)));
    const nested = level.commands.length > 0;
    const places = nested ? ["'1: :->command'", "'*:: :->rest'"] : level.arguments.map(zshArgument);
    const body = `  _arguments -s ${nested ? "-C " : ""}${[...specs, ...places].join(" \\\n    ")}`;
    if (!nested) return `${zshName(level.words)}() {\n${body}\n}`;
    const list = level.commands.map(({ name, meaning }) => quote(`${name}:${meaning}`));
    const rest = level.commands.map(({ name }) => {
      const words = level.words === "" ? name : `${level.words} ${name}`;
      return `    ${name}) ${zshName(words)} ;;`;
    });
    return `${zshName(level.words)}() {
  local context state state_descr line
  typeset -A opt_args
${body}
  case $state in
  command)
    local -a commands=(${list.join(" \\\n      ")})
    _describe -t commands command commands
    ;;
  rest)
    case $line[1] in
${rest.join("\n")}
    esac
    ;;
  esac
}`;
  });
  return `#compdef masklet
# zsh completion of masklet. Write it as _masklet into a folder of fpath, or load it with: source <(masklet completion zsh)

${functions.join("\n\n")}

if [ "$funcstack[1]" = "_masklet" ]; then
  _masklet "$@"
else
  compdef _masklet masklet
fi
`;
}

const zshName = (words: string) => (words === "" ? "_masklet" : `_masklet_${words.replaceAll(" ", "_")}`);
/** Brackets and colons have a meaning in the specifications of \`_arguments\`. */
const zshText = (text: string) => text.replace(/[[\]:\\]/g, "\\$&");

function zshOption({ flag, value, meaning, isRepeatable, isValueOptional, ...rest }: OptionSpec): string {
  const head = `${isRepeatable ? "*" : ""}${flag}[${zshText(meaning)}]`;
  if (value === undefined) return head;
  return `${head}${isValueOptional ? "::" : ":"}${zshText(value)}:${zshAction(rest)}`;
}

function zshArgument({ name, isOptional, ...rest }: ArgumentSpec): string {
  return quote(`${isOptional ? "::" : ":"}${zshText(name)}:${zshAction(rest)}`);
}

function zshAction({ values, kind }: Pick<OptionSpec, "values" | "kind">): string {
  if (values) return `(${values.join(" ")})`;
  if (kind === "file") return "_files";
  return kind === "folder" ? "_files -/" : " ";
}

function fish(levels: readonly Level[]): string {
  const lines = levels.flatMap((level) => {
    const condition = `-n ${quote(`__masklet_at ${quote(level.words)}`)}`;
    const commands = level.commands.map(
      ({ name, meaning }) => `complete -c masklet ${condition} -f -a ${name} -d ${quote(meaning)}`,
    );
    const options = level.options.map((option) => fishOption(option, condition));
    const values = level.arguments.flatMap((argument) =>
      argument.values ? [`complete -c masklet ${condition} -f -a ${quote(argument.values.join(" "))}`] : [],
    );
    const files = level.arguments.some(({ kind }) => kind !== "text");
    return [...commands, ...options, ...values, ...(files ? [`complete -c masklet ${condition} -F`] : [])];
  });
  const known = levels.map(({ words }) => words).filter((words) => words !== "");
  return `# fish completion of masklet. Write it to ~/.config/fish/completions/masklet.fish

function __masklet_at
  set -l words
  for word in (commandline -opc)[2..]
    set -l next (string join -- ' ' $words $word)
    contains -- "$next" ${known.map(quote).join(" ")}; and set words $next
  end
  test "$words" = "$argv[1]"
end

complete -c masklet -f
${lines.join("\n")}
`;
}

function fishOption(
  { flag, meaning, value, values, kind, isValueOptional }: OptionSpec,
  condition: string,
): string {
  const head = `complete -c masklet ${condition} -l ${flag.slice(2)} -d ${quote(meaning)}`;
  if (value === undefined || isValueOptional) return head;
  if (values) return `${head} -x -a ${quote(values.join(" "))}`;
  if (kind === "folder") return `${head} -x -a '(__fish_complete_directories)'`;
  return kind === "file" ? `${head} -r -F` : `${head} -x`;
}
