import { StringDecoder } from "node:string_decoder";

/**
 * Characters of one line of a tool's output that are kept. The queries to ffprobe produce lines of at most a few hundred
 * characters; a longer line comes from text inside the media file.
 */
export const MAX_LINE_CHARS = 64 * 1024;

export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Passes on the last line if no line break ends it. */
  end(): void;
}

/**
 * Splits UTF-8 text into lines and holds at most {@link MAX_LINE_CHARS} and one chunk, whatever the text contains. Of a
 * longer line, `onLine` receives the beginning with `isCut` set as soon as the limit is reached; the rest is dropped.
 */
export function createLineSplitter(onLine: (line: string, isCut: boolean) => void): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let held = "";
  let isCut = false;

  const hold = (part: string) => {
    if (isCut || part === "") return;
    isCut = held.length + part.length > MAX_LINE_CHARS;
    held += isCut ? part.slice(0, MAX_LINE_CHARS - held.length) : part;
    if (!isCut) return;
    const line = held;
    held = "";
    onLine(line, true);
  };
  const finishLine = () => {
    const wasCut = isCut;
    const line = held.endsWith("\r") ? held.slice(0, -1) : held;
    held = "";
    isCut = false;
    if (!wasCut) onLine(line, false);
  };
  return {
    push(chunk) {
      const parts = decoder.write(chunk).split("\n");
      for (let i = 0; i < parts.length; i++) {
        if (i > 0) finishLine();
        hold(parts[i] as string);
      }
    },
    end() {
      hold(decoder.end());
      if (held !== "") finishLine();
    },
  };
}
