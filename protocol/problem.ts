/** A contradiction between the fields of a request. */
export interface PromptProblem {
  path: (string | number)[];
  message: string;
  /** True when the field is absent. */
  missing: boolean;
}

export function wrong(path: (string | number)[], message: string): PromptProblem {
  return { path, message, missing: false };
}

export function missing(field: string, message: string): PromptProblem {
  return { path: [field], message: `missing: ${message}`, missing: true };
}
