/**
 * The ways to start a tool with limits. Each is a command line that ends in the tool; the strongest that works on a system is
 * chosen by `choose.ts`.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { type ToolLimits, ulimitCommands } from "./limits.js";

/**
 * From strong to weak:
 * - `bubblewrap`: namespaces of its own, without network, and a file system that contains only the tool and system libraries.
 * - `namespaces`: namespaces of its own, without network. The tool sees the files that the server may read.
 * - `limits`: limits on memory, time and files only.
 * - `none`: the tool is started directly.
 */
export type BoxKind = "bubblewrap" | "namespaces" | "limits" | "none";

export interface Launch {
  /** Absolute path. */
  binary: string;
  args: readonly string[];
  limits: Partial<ToolLimits>;
  /** Paths besides the binary that the tool reads. */
  readable: readonly string[];
  /** The tool yields to others. */
  lowPriority?: boolean;
}

export interface Launcher {
  kind: BoxKind;
  /** The processes of the tool end with the process that Node starts, a moment after it. */
  hasOwnProcesses: boolean;
  command(launch: Launch): { file: string; args: string[] };
}

/** Paths of the programs that launchers use; undefined for one that the system does not have. */
export interface SystemPrograms {
  bwrap?: string | undefined;
  unshare?: string | undefined;
  setpriv?: string | undefined;
  sh?: string | undefined;
}

/** The tool itself, without a box. */
export const direct: Launcher = {
  kind: "none",
  hasOwnProcesses: false,
  command: ({ binary, args }) => ({ file: binary, args: [...args] }),
};

/**
 * Limits only. With `setpriv` (Linux) the tool also ends with the server, gains no privileges by running other programs,
 * and as root has no capability but reading every file.
 */
export function limitsOnly({ sh, setpriv }: { sh: string; setpriv?: string | undefined }): Launcher {
  return {
    kind: "limits",
    hasOwnProcesses: false,
    command: (launch) =>
      commandLine([
        ...(setpriv ? [setpriv, ...END_WITH_PARENT, ...NO_PRIVILEGES, ...ownCapabilities(), "--"] : []),
        ...shellThatBecomes(sh, launch),
      ]),
  };
}

/**
 * Namespaces by `unshare` of util-linux. As root no user namespace is needed, and in one root could not read the files of
 * other users.
 */
export function namespaces(
  { unshare, setpriv, sh }: { unshare: string; setpriv: string; sh: string },
  { user }: { user: boolean },
): Launcher {
  const withParent = [setpriv, ...END_WITH_PARENT, "--"];
  const capabilities = user ? capabilitiesOf([]) : ownCapabilities();
  return {
    kind: "namespaces",
    hasOwnProcesses: true,
    command: (launch) =>
      commandLine([
        // A new user namespace clears the signal of `setpriv`: it is set after it.
        ...(user ? [unshare, "--user", "--map-root-user", "--"] : []),
        ...withParent,
        ...[unshare, "--net", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--"],
        ...[setpriv, ...NO_PRIVILEGES, ...capabilities, "--"],
        ...shellThatWaits(sh, launch, { processes: user }),
      ]),
  };
}

/** Namespaces and a file system of its own by bubblewrap. */
export function bubblewrap({ bwrap, sh }: { bwrap: string; sh: string }): Launcher {
  const asRoot = isRoot();
  const system = SYSTEM_FOLDERS.flatMap(sameInBox);
  return {
    kind: "bubblewrap",
    hasOwnProcesses: true,
    command: (launch) =>
      commandLine([
        bwrap,
        ...["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
        // No `--new-session`: it starts late, and until then only the process group connects the processes of a box, see
        // `killGroup`. Node has started a session, without a terminal, for the whole group.
        ...["--die-with-parent", "--cap-drop", "ALL"],
        ...(asRoot ? ["--cap-add", "CAP_DAC_READ_SEARCH"] : []),
        ...system,
        // Each mount takes time of every start, and `--dev` makes ten.
        ...DEVICES.flatMap((path) => ["--dev-bind", path, path]),
        ...["--symlink", "/proc/self/fd", "/dev/fd", "--proc", "/proc", "--dir", "/tmp"],
        ...["--ro-bind", installationOf(launch.binary), installationOf(launch.binary)],
        ...launch.readable.flatMap((path) => ["--ro-bind-try", path, path]),
        ...["--remount-ro", "/", "--chdir", "/tmp", "--"],
        ...shellThatBecomes(sh, launch, { processes: !asRoot }),
      ]),
  };
}

/** Programs and libraries; nothing of a user, and no configuration but that of the loader. */
const SYSTEM_FOLDERS = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"],
  ...["/etc/ld.so.cache", "/etc/alternatives"],
];

const DEVICES = ["/dev/null", "/dev/zero", "/dev/urandom"];

/** Options that show a path in the box as it is outside: nothing, a link, or a mount, which takes time of every start. */
function sameInBox(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return [];
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

const END_WITH_PARENT = ["--pdeathsig", "KILL"];
const NO_PRIVILEGES = ["--no-new-privs"];

const isRoot = () => process.getuid?.() === 0;

/** Root reads files of all users, as the server does, and can do nothing else. Others have no capabilities to drop. */
const ownCapabilities = () => (isRoot() ? capabilitiesOf(["dac_read_search"]) : []);

function capabilitiesOf(kept: readonly string[]): string[] {
  return [`--bounding-set=${["-all", ...kept.map((name) => `+${name}`)].join(",")}`, "--inh-caps=-all"];
}

/** The folder with the binary and the libraries beside it, as in `/opt/ffmpeg/bin` and `/opt/ffmpeg/lib`. */
function installationOf(binary: string): string {
  const folder = dirname(binary);
  const parent = dirname(folder);
  return folder.endsWith("/bin") && parent !== "/" ? parent : folder;
}

function shellThatBecomes(sh: string, launch: Launch, kinds = { processes: false }): string[] {
  return shell(sh, launch, `${ulimitCommands(launch.limits, kinds)}; exec ${niceness(launch)}"$0" "$@"`);
}

/** The shell stays as the first process of the namespace: the system ignores signals to that one. */
function shellThatWaits(sh: string, launch: Launch, kinds: { processes: boolean }): string[] {
  return shell(sh, launch, `${ulimitCommands(launch.limits, kinds)}; ${niceness(launch)}"$0" "$@"; exit $?`);
}

const shell = (sh: string, { binary, args }: Launch, text: string) => [sh, "-c", text, binary, ...args];

/** Not by Node after the start: launchers may have started their processes by then. */
const niceness = ({ lowPriority }: Launch) => (lowPriority ? `nice -n ${LOW_PRIORITY} ` : "");

/** A third of the processor time of others where it is short, and all of it where it is not. */
const LOW_PRIORITY = 5;

function commandLine([file, ...args]: string[]): { file: string; args: string[] } {
  if (file === undefined || !isAbsolute(file)) throw new Error(`${file} is no absolute path of a program`);
  return { file, args };
}
