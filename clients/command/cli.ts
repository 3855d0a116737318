/** Parses a command line, runs the command, and maps its result to an exit status. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { type ConformanceArguments, conformance } from "./conformance.js";
import {
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_NOTHING_FOUND,
  EXIT_USAGE,
  NothingFoundError,
  StoppedError,
  UsageError,
} from "./errors.js";
import { type ExportArguments, exportResults } from "./export.js";
import { type ImportArguments, importAnnotations } from "./import.js";
import { addKey, type KeysArguments, listKeys, removeKeys } from "./keys.js";
import { type ServeArguments, serve } from "./serve.js";
import { track } from "./track.js";
import { readTrackJob, type TrackArguments } from "./track-options.js";
import { type UploadArguments, upload } from "./upload.js";

const { version } = createRequire(import.meta.url)("masklet/package.json") as { version: string };

/** Runs one command to its end; resolves to the exit status. Never rejects. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  if (argv.length === 0) {
    process.stderr.write(program.helpInformation());
    return EXIT_USAGE;
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** The table of commands and options. */
export function createProgram(): Command {
  const program = new Command("masklet")
    .description("Segments and tracks objects in video, by clicks, boxes or phrases.")
    .version(version)
    .exitOverride()
    // `report` writes these errors in the form of all others.
    .configureOutput({ outputError: () => {} });

  program
    .command("serve")
    .description("Run the server.")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <number>", "port to listen on, 0 for any free one (default: 8765)")
    .option("--pack <folder>", "model pack (default: the embedded pack, compact)")
    .option("--media-root <folder>", "folder whose videos clients may open, repeatable (default: .)", collect)
    .option("--keys <file>", "file of keys, of which clients must send one; see masklet keys")
    .option(
      "--data [folder]",
      "keep uploads and saved sessions here (default: masklet in the data folder of the user)",
    )
    .option("--adapters <names>", "annotation tools to serve in their own protocol, such as x-anylabeling")
    .option("--open", "open the annotator page in a browser")
    .option("--no-open", "open no browser (the default)")
    .option("--insecure", "without keys, serve everyone who reaches the address")
    .action((given: ServeArguments) => serve(given));

  addKeysCommand(program);

  program
    .command("track")
    .description(
      "Track objects through one video. Coordinates are pixels of the video, or fractions of its size when all are from 0 to 1.",
    )
    .argument("<video>", "video file, picture, or folder of pictures")
    .option("--text <phrase>", "every instance of a phrase, repeatable", collect)
    .option("--box <x,y,w,h>", "one object by its box, repeatable", collect)
    .option(
      "--point <x,y[,0|1]>",
      "a point on an object (or off it, with ,0), repeatable: all belong to one object",
      collect,
    )
    .option("--at <frame>", "the frame of the prompts (default: 0)")
    .option(
      "--direction <way>",
      "forward, backward or both (default: forward from frame 0, both from any other)",
    )
    .option("--out <file.jsonl>", "one JSON line per frame; - is standard output")
    .option("--render <file.mp4>", "the video with the masks drawn on it")
    .option("--server <url>", "a running server, such as ws://127.0.0.1:8765 (default: start one)")
    .option("--key <key>", "the key for the server (default: MASKLET_KEY)")
    .action((video: string, given: TrackArguments) => track(readTrackJob(video, given)));

  program
    .command("upload")
    .description(
      "Send a video, a picture, an archive, or a folder of pictures to a running server, and print its upload_id. The same command again continues an upload that was cut off.",
    )
    .argument("<path>", "file, or folder of pictures")
    .option("--server <url>", "the server (default: ws://127.0.0.1:8765)")
    .option("--key <key>", "the key for the server (default: MASKLET_KEY)")
    .action((path: string, given: UploadArguments) => upload(path, given));

  program
    .command("export")
    .description("Write the results of a session, or of masklet track --out, in the format of another tool.")
    .argument("<what>", "id of a session, or a file of frames")
    .requiredOption("--format <format>", "such as coco, cvat, mot or overlay; docs/exports.md lists all")
    .option("--out <path>", "file to write, - is standard output (default: a name that the format chooses)")
    .option("--objects <ids>", "ids of objects, such as 0,2 (default: all)")
    .option("--frames <a-b>", "frames, such as 0-99 (default: all with a result)")
    .option("--option <name=value>", "an option of the format, such as masks=polygons, repeatable", collect)
    .option("--video <video>", "the video of a file of frames: for pictures, its name, size and rate")
    .option("--server <url>", "the server of the session (default: ws://127.0.0.1:8765)")
    .option("--key <key>", "the key for the server (default: MASKLET_KEY)")
    .action((what: string, given: ExportArguments) => exportResults(what, given));

  program
    .command("import")
    .description("Add annotations of another tool to a session of a running server, and print its id.")
    .argument("<file>", "file of annotations, or ZIP archive of several")
    .requiredOption("--format <format>", "such as coco, cvat or mots; docs/exports.md lists all")
    .option("--session <id>", "the session; either this or --video")
    .option("--video <path>", "video to start a session with")
    .option("--as <kind>", "prompts, or locked: frames that tracking does not change (default: prompts)")
    .option("--server <url>", "the server (default: ws://127.0.0.1:8765)")
    .option("--key <key>", "the key for the server (default: MASKLET_KEY)")
    .action((file: string, given: ImportArguments) => importAnnotations(file, given));

  program
    .command("conformance")
    .description("Verify a running server against the numbered rules of PROTOCOL.md.")
    .argument("<url>", "the server, such as ws://127.0.0.1:8765")
    .option("--key <key>", "key of an owner (default: the variable MASKLET_KEY)")
    .option("--only <rule>", "a rule such as C-12, or a topic such as C, repeatable", collect)
    .option("--json", "print the results as JSON")
    .action((url: string, given: ConformanceArguments) => conformance(url, given));

  return program;
}

function addKeysCommand(program: Command): void {
  const file = ["--file <file>", "file of keys (default: that of MASKLET_KEYS)"] as const;
  const keys = program.command("keys").description("Make, list and remove the keys of a server.");
  keys
    .command("add")
    .description("Make a key of an owner, and print it. The file contains only a hash of it.")
    .argument("<name>", "the owner")
    .option("--file <file>", "file of keys to add it to (default: print the line for the file)")
    .option("--weight <number>", "share of a busy server, 1 to 100 (default: 1)")
    .action((name: string, given: KeysArguments) => addKey(name, given));
  keys
    .command("list")
    .description("Print name, weight and the beginning of the hash of each key.")
    .option(...file)
    .action((given: KeysArguments) => listKeys(given));
  keys
    .command("remove")
    .description("Remove the keys of an owner, or one of them by the beginning of its hash.")
    .argument("<name>", "the owner")
    .argument("[hash]", "at least 8 digits")
    .option(...file)
    .action((name: string, hash: string | undefined, given: KeysArguments) => removeKeys(name, hash, given));
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** Writes the error on standard error and returns the exit status. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    printError(usageSentence(error.message));
    return EXIT_USAGE;
  }
  if (error instanceof UsageError) {
    printError(error.message);
    return EXIT_USAGE;
  }
  if (error instanceof NothingFoundError) {
    printError(error.message);
    return EXIT_NOTHING_FOUND;
  }
  if (error instanceof StoppedError) {
    printError(error.message);
    return EXIT_INTERRUPTED;
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    printError("Stopped; the frames written so far are kept.");
    return EXIT_INTERRUPTED;
  }
  printError(error instanceof Error ? error.message : String(error));
  return EXIT_FAILURE;
}

/** "error: unknown option '--bx'\n(Did you mean --box?)" as one sentence. */
function usageSentence(message: string): string {
  const [first = "", hint] = message.replace(/^error: /, "").split("\n");
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`.replace(/\.$/, "");
  const advice = hint ? ` ${hint}` : `; see masklet --help`;
  return `${sentence}${advice}.`;
}

function printError(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}
