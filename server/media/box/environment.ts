/** The environment of a tool: what programs need to run. Secrets in the server's environment do not reach it. */

const PASSED_ON = [
  "PATH",
  // Where builds of ffmpeg outside the system's folders find their libraries.
  ...["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"],
  // Without these, Windows starts few programs.
  ...["SystemRoot", "SystemDrive", "windir", "PATHEXT", "COMSPEC"],
];

/** @param added variables of this run */
export function toolEnvironment(added: Record<string, string> = {}): Record<string, string> {
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // The allocator otherwise reserves address space for each processor.
  return { ...Object.fromEntries(passedOn), MALLOC_ARENA_MAX: "8", AV_LOG_FORCE_NOCOLOR: "1", ...added };
}
