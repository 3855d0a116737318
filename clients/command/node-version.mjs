// Runs before anything else is loaded, also on versions of Node that cannot load the rest: sharp, for example, fails there
// with a syntax error.

/** Versions that run masklet; `engines` of package.json has the same. */
const MIN_MAJOR = 20;
const MIN_MINOR = 19;

/**
 * The message for a version of Node that is too old; undefined for one that runs masklet.
 * @param version such as "20.18.0"
 */
export function nodeVersionProblem(version = process.versions.node) {
  const [major, minor] = version.split(".").map(Number);
  if (major > MIN_MAJOR || (major === MIN_MAJOR && minor >= MIN_MINOR)) return undefined;
  return `masklet requires Node ${MIN_MAJOR}.${MIN_MINOR} or newer; this is Node ${version}.`;
}

/** Ends the process with a message when its version of Node is too old. */
export function requireNodeVersion() {
  const problem = nodeVersionProblem();
  if (problem === undefined) return;
  console.error(problem);
  process.exit(1);
}
