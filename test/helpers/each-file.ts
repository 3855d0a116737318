/** Runs in each test file; modules that it imports are loaded once per process. */
import { afterAll } from "vitest";
import { removeMediaDirectory } from "./media-folder.js";

// Not when the process exits: vitest ends its workers with a signal.
afterAll(removeMediaDirectory);
