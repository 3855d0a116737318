/** What a server and its child processes hold: processes, descriptors, temporary files, sockets and memory. Linux only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Reading {
  processes: number;
  /** Of the main process. */
  descriptors: number;
  /** Sockets of the main process, except those that listen and those to its children. */
  sockets: number;
  /** Files below the temporary folder. */
  files: number;
  /** Resident bytes. */
  mainBytes: number;
  inferenceBytes: number;
}

interface Process {
  pid: number;
  parent: number;
  state: string;
  command: string;
}

function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), parent: Number(parent), state, command }];
      } catch {
        // The process has ended meanwhile.
        return [];
      }
    });
}

/** The process and everything that it started, zombies included. */
export function familyOf(pid: number): Process[] {
  const all = processes();
  const family = all.filter((one) => one.pid === pid);
  for (let index = 0; index < family.length; index++)
    family.push(...all.filter(({ parent }) => parent === family[index]?.pid));
  return family;
}

export const inferenceOf = (pid: number): number | undefined =>
  familyOf(pid).find(({ command, state }) => /inference-main/.test(command) && state !== "Z")?.pid;

/** Resident bytes of a process, 0 when it has ended. */
export function residentBytes(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

/** Established TCP connections of a process, by the inodes of its sockets. */
function establishedOf(pid: number, descriptors: readonly string[]): number {
  const inodes = new Set(descriptors.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const rows = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n").slice(1),
  );
  const isEstablished = (fields: string[]) => fields[3] !== "0A" && inodes.has(fields[9] ?? "");
  return rows.filter((row) => isEstablished(row.trim().split(/\s+/))).length;
}

export function read(pid: number, temporary: string): Reading {
  const family = familyOf(pid);
  const descriptors = descriptorsOf(pid);
  const inference = family.find(({ command }) => /inference-main/.test(command));
  return {
    processes: family.length,
    descriptors: descriptors.length,
    sockets: establishedOf(pid, descriptors),
    files: readdirSync(temporary, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
      .length,
    mainBytes: residentBytes(pid),
    inferenceBytes: residentBytes(inference?.pid),
  };
}

const MIB = 1024 ** 2;

/** What may remain, and why. */
const MARGINS: Record<keyof Reading, { of(before: number): number; why: string }> = {
  processes: { of: () => 0, why: "every process ends" },
  descriptors: { of: () => 6, why: "the pool of file operations keeps a few" },
  sockets: { of: () => 0, why: "every socket is closed" },
  files: { of: () => 0, why: "every upload and every temporary folder is deleted" },
  mainBytes: {
    of: (before) => Math.max(120 * MIB, before / 2),
    why: "the heap of V8 grows under load and shrinks late",
  },
  inferenceBytes: {
    of: (before) => Math.max(300 * MIB, before / 2),
    why: "the arenas of ONNX Runtime keep the memory of the largest step",
  },
};

export interface Comparison {
  name: keyof Reading;
  before: number;
  after: number;
  most: number;
  hasReturned: boolean;
  why: string;
}

export function compare(before: Reading, after: Reading): Comparison[] {
  return (Object.keys(MARGINS) as (keyof Reading)[]).map((name) => {
    const most = before[name] + MARGINS[name].of(before[name]);
    return {
      name,
      before: before[name],
      after: after[name],
      most,
      hasReturned: after[name] <= most,
      why: MARGINS[name].why,
    };
  });
}
