/** What exports and imports need of the open video. */
export interface TakeParts {
  /** Requests a path relative to the server, with the key of the page. Throws a MaskletError for a failure. */
  request(path: string, init?: RequestInit): Promise<Response>;
  sessionId: string;
  /** Name of the video. */
  name: string;
  numFrames: number;
  objects: readonly { id: number; name: string }[];
  selected: ReadonlySet<number>;
  /** The range that is marked in the timeline. */
  range?: { first: number; last: number } | undefined;
  /** Downloads the file that continues the session on another machine. */
  onSessionFile?(): void;
  /** After an import: the objects and results of the session have changed. */
  onImported?(): void;
}
