import type { Check } from "./check.js";
import { connectionChecks } from "./checks/connection.js";
import { editChecks } from "./checks/edits.js";
import { errorChecks } from "./checks/errors.js";
import { exportChecks } from "./checks/exports.js";
import { frameChecks } from "./checks/frames.js";
import { httpChecks } from "./checks/http.js";
import { keyChecks } from "./checks/keys.js";
import { lastingChecks } from "./checks/lasting.js";
import { liveChecks } from "./checks/live.js";
import { outputChecks } from "./checks/outputs.js";
import { promptChecks } from "./checks/prompts.js";
import { readingChecks } from "./checks/reading.js";
import { sessionChecks } from "./checks/sessions.js";
import { streamChecks } from "./checks/streams.js";
import { uploadChecks } from "./checks/uploads.js";

export const CHECKS: readonly Check[] = [
  ...keyChecks,
  ...connectionChecks,
  ...frameChecks,
  ...sessionChecks,
  ...promptChecks,
  ...streamChecks,
  ...editChecks,
  ...outputChecks,
  ...liveChecks,
  ...lastingChecks,
  ...errorChecks,
  ...uploadChecks,
  ...exportChecks,
  ...httpChecks,
  ...readingChecks,
];
