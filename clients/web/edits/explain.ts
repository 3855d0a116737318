/** What an edit that failed means to a person: what is kept, and what to do. */

export interface Explanation {
  title: string;
  detail: string;
}

const NEXT_STEPS: Record<string, string> = {
  read_only: "Press “Take over” above the picture to change the video here.",
  propagation_in_progress: "Pause the run, then repeat the edit.",
  mask_not_found:
    "Run the tracker over these frames first: only computed masks can be locked, split or exchanged.",
  object_not_found: "The object no longer exists. Undo brings a removed object back.",
  concept_not_found: "The concept no longer exists. Undo brings it back.",
  frame_out_of_range: "Choose frames inside the video.",
  object_limit: "Remove an object that is not needed, then repeat the edit.",
  unsupported_by_pack: "This model pack has no support for the edit.",
  nothing_to_undo: "The server keeps the last hundred edits.",
  connection_lost: "The page connects again by itself. Repeat the edit then.",
  session_not_found: "The session has ended on the server. Open it again from the list of sessions.",
  server_busy: "The server has no room at the moment. Repeat the edit in a few seconds.",
  server_overloaded: "The server is overloaded. Repeat the edit in a few seconds.",
  media_unreadable: "The server cannot read the video any more. Check that the file is still in its place.",
};

/** @param title what was tried: `Lock frames 3 to 9` */
export function explainFailure(title: string, error: unknown): Explanation {
  const { code, message } = error as { code?: string; message?: string };
  const next = code === undefined ? undefined : NEXT_STEPS[code];
  const cause = message ?? String(error);
  const kept = "Nothing was changed.";
  return {
    title: `${title}: failed`,
    detail: [sentence(cause), kept, next].filter(Boolean).join(" "),
  };
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
