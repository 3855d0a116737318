/**
 * What this browser remembers of each session: how to reach it, its last saved file, and how the page displayed it. The
 * annotations are on the server; a lost record loses no work that the server has.
 */

export interface KeptWork {
  readonly sessionId: string;
  /** For `attach_session`. */
  readonly token: string;
  readonly name: string;
  /** The video, for `load_session`. Absent for live sessions. */
  readonly media?: { readonly resource_path: string } | { readonly upload_id: string };
  /** The last saved file on the server. */
  readonly savedId?: string;
  readonly numFrames: number;
  /** The frame on the stage. */
  readonly frame: number;
  /** The marks of prompts, as `readMarks` reads them. */
  readonly marks?: unknown;
  /** Colours, groups and visibility of objects, as the object panel writes them. */
  readonly view?: unknown;
  /** `data:` address of a small picture. */
  readonly thumbnail?: string;
  readonly changedAtMs: number;
}

/** The part of `localStorage` that is used. */
export interface Place {
  getItem(key: string): string | null;
  /** Throws when there is no room. */
  setItem(key: string, value: string): void;
}

export interface KeptList {
  /** The last changed one first. */
  all(): readonly KeptWork[];
  /** Adds a record or replaces that of the same session. False: the browser has no room for it. */
  put(work: KeptWork): boolean;
  remove(sessionId: string): void;
}

const KEY = "masklet.work.v1";
/** Older records are forgotten; the sessions remain on the server. */
const MAX_RECORDS = 40;

/** @param place default: the storage of this browser for this server */
export function createKeptList(place: Place): KeptList {
  const read = (): KeptWork[] => {
    try {
      const list: unknown = JSON.parse(place.getItem(KEY) ?? "[]");
      return Array.isArray(list) ? list.filter(isKeptWork) : [];
    } catch {
      return [];
    }
  };
  const sorted = (list: readonly KeptWork[]) => [...list].sort((a, b) => b.changedAtMs - a.changedAtMs);
  /** Without room, thumbnails are dropped first, then all records but the newest. */
  const write = (list: readonly KeptWork[]): boolean => {
    const withoutPictures = () => list.map(({ thumbnail, ...work }) => work);
    for (const attempt of [() => list, withoutPictures, () => withoutPictures().slice(0, 1)]) {
      try {
        place.setItem(KEY, JSON.stringify(attempt()));
        return true;
      } catch {
        // The next attempt is smaller.
      }
    }
    return false;
  };
  return {
    all: () => sorted(read()),
    put(work) {
      const others = read().filter(({ sessionId }) => sessionId !== work.sessionId);
      return write(sorted([work, ...others]).slice(0, MAX_RECORDS));
    },
    remove(sessionId) {
      write(sorted(read().filter((work) => work.sessionId !== sessionId)));
    },
  };
}

/** Records of other versions and damaged ones are ignored. */
function isKeptWork(value: unknown): value is KeptWork {
  if (typeof value !== "object" || value === null) return false;
  const { sessionId, token, name, numFrames, frame, changedAtMs } = value as Record<string, unknown>;
  return (
    [sessionId, token, name].every((text) => typeof text === "string" && text !== "") &&
    [numFrames, frame, changedAtMs].every((number) => typeof number === "number" && Number.isFinite(number))
  );
}
