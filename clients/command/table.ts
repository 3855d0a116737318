/** Every command with its arguments, options and examples. */
import type { CommandSpec } from "./command-spec.js";
import { EXPORT_FORMAT_IDS, IMPORT_FORMAT_IDS } from "./format-ids.js";
import { DEFAULT_SERVER, data, formatOption, json, key, server, text } from "./shared-options.js";
import { SHELLS } from "./shells.js";

const remote = [server(DEFAULT_SERVER), key];

const serve: CommandSpec = {
  name: "serve",
  meaning: "Run the server.",
  options: [
    {
      flag: "--host",
      value: "address",
      meaning: "address to listen on (default: 127.0.0.1)",
      kind: "text",
    },
    {
      flag: "--port",
      value: "number",
      meaning: "port to listen on, 0 for any free one (default: 8765)",
      kind: "text",
    },
    {
      flag: "--pack",
      value: "pack",
      meaning: "model pack: a folder, or a name of masklet pack list (default: compact)",
      kind: "folder",
    },
    {
      flag: "--media-root",
      value: "folder",
      meaning: "folder whose videos clients may open (default: .)",
      isRepeatable: true,
      kind: "folder",
    },
    {
      flag: "--keys",
      value: "file",
      meaning: "file of keys, of which clients must send one; see masklet keys",
      kind: "file",
    },
    {
      flag: "--data",
      value: "folder",
      isValueOptional: true,
      meaning: "keep uploads and saved sessions here (default: masklet in the data folder of the user)",
      kind: "folder",
    },
    {
      flag: "--adapters",
      value: "names",
      meaning: "annotation tools to serve in their own protocol, such as x-anylabeling",
      kind: "text",
    },
    { flag: "--open", meaning: "open the annotator page in a browser" },
    { flag: "--no-open", meaning: "open no browser (the default)" },
    { flag: "--insecure", meaning: "listen without keys, and serve everyone who reaches the address" },
    { flag: "--json", meaning: "print the address and the pack as one JSON line when the server is ready" },
  ],
  examples: [
    { meaning: "Serve the videos of a folder on this machine.", line: "masklet serve --media-root videos" },
    { meaning: "Keep uploads and saved sessions.", line: "masklet serve --data work --port 9000" },
    {
      meaning: "Serve other machines, for clients with a key.",
      line: "masklet serve --host 0.0.0.0 --keys masklet.keys",
    },
  ],
  run: async (_, options) => (await import("./serve.js")).serve(options),
};

const track: CommandSpec = {
  name: "track",
  meaning:
    "Track objects through one video. Coordinates are pixels of the video, or fractions of its size when all are from 0 to 1.",
  arguments: [{ name: "video", meaning: "video file, picture, or folder of pictures", kind: "file" }],
  options: [
    text,
    {
      flag: "--box",
      value: "x,y,w,h",
      meaning: "one object by its box",
      isRepeatable: true,
      kind: "text",
    },
    {
      flag: "--point",
      value: "x,y[,0|1]",
      meaning: "a point on an object (or off it, with ,0): all belong to one object",
      isRepeatable: true,
      kind: "text",
    },
    { flag: "--at", value: "frame", meaning: "the frame of the prompts (default: 0)", kind: "text" },
    {
      flag: "--direction",
      value: "way",
      meaning: "forward, backward or both (default: forward from frame 0, both from any other)",
      values: ["forward", "backward", "both"],
    },
    {
      flag: "--out",
      value: "file.jsonl",
      meaning: "one JSON line per frame; - is standard output",
      kind: "file",
    },
    { flag: "--render", value: "file.mp4", meaning: "the video with the masks drawn on it", kind: "file" },
    server("start one"),
    key,
    json,
  ],
  examples: [
    {
      meaning: "Every red circle, as JSON lines and as a video.",
      line: 'masklet track clip.mp4 --text "red circle" --out masks.jsonl --render masks.mp4',
    },
    {
      meaning: "One object by its box on frame 3, as fractions of the frame.",
      line: "masklet track clip.mp4 --box 0.1,0.2,0.3,0.4 --at 3 --out masks.jsonl",
    },
    {
      meaning: "On a running server.",
      line: "masklet track clip.mp4 --point 40,30 --server ws://127.0.0.1:8765",
    },
  ],
  async run([video = ""], options) {
    const { readTrackJob } = await import("./track-options.js");
    const { track: run } = await import("./track.js");
    await run(readTrackJob(video, options));
  },
};

const batch: CommandSpec = {
  name: "batch",
  meaning:
    "Track phrases through all videos and pictures of a folder, into one file. The same command again continues a batch that was stopped.",
  arguments: [{ name: "folder", meaning: "folder of videos and pictures", kind: "folder" }],
  options: [
    { ...text, isRequired: true },
    {
      flag: "--format",
      value: "format",
      meaning: "coco or youtube-vis (default: coco)",
      values: ["coco", "youtube-vis"],
    },
    {
      flag: "--out",
      value: "file",
      meaning: "file to write, which may be replaced (default: the name of the folder and of the format)",
      kind: "file",
    },
    formatOption,
    { flag: "--recursive", meaning: "also track the files of the folders inside it" },
    {
      flag: "--pictures",
      value: "as",
      meaning:
        "each: an image of its own; clip: the pictures of a folder are one clip; numbered: as clip where the names differ only by a number (default: each)",
      values: ["each", "clip", "numbered"],
    },
    { flag: "--dry-run", meaning: "list what would be tracked, and track nothing" },
    server("start one"),
    key,
    json,
  ],
  examples: [
    {
      meaning: "Every dog and every ball in all clips and pictures of a folder.",
      line: "masklet batch videos --text dog --text ball --out animals.coco.json",
    },
    {
      meaning: "List the clips and pictures of a folder and of the folders in it.",
      line: "masklet batch videos --text dog --recursive --dry-run",
    },
    {
      meaning: "Folders of numbered frames are clips.",
      line: "masklet batch sequences --text dog --recursive --pictures numbered --format youtube-vis --out dogs.json",
    },
  ],
  run: async ([folder = ""], options) => (await import("./batch/batch.js")).batch(folder, options),
};

const upload: CommandSpec = {
  name: "upload",
  meaning:
    "Send a video, a picture, an archive, or a folder of pictures to a running server, and print its upload_id. The same command again continues an upload that was cut off.",
  arguments: [{ name: "path", meaning: "file, or folder of pictures", kind: "file" }],
  options: [...remote, json],
  examples: [
    { meaning: "Send a video to the server of this machine.", line: "masklet upload clip.mp4" },
    {
      meaning: "Send the pictures of a folder.",
      line: "masklet upload frames --server ws://127.0.0.1:8765 --json",
    },
  ],
  run: async ([path = ""], options) => (await import("./upload.js")).upload(path, options),
};

const exportCommand: CommandSpec = {
  name: "export",
  meaning: "Write the results of a session, or of masklet track --out, in the format of another tool.",
  arguments: [{ name: "what", meaning: "id of a session, or a file of frames", kind: "file" }],
  options: [
    {
      flag: "--format",
      value: "format",
      meaning: "such as coco, cvat, mot or overlay; docs/exports.md lists all",
      isRequired: true,
      values: EXPORT_FORMAT_IDS,
    },
    {
      flag: "--out",
      value: "path",
      meaning: "file to write, - is standard output (default: a name that the format chooses)",
      kind: "file",
    },
    { flag: "--objects", value: "ids", meaning: "ids of objects, such as 0,2 (default: all)", kind: "text" },
    {
      flag: "--frames",
      value: "a-b",
      meaning: "frames, such as 0-99 (default: all with a result)",
      kind: "text",
    },
    formatOption,
    {
      flag: "--video",
      value: "video",
      meaning: "the video of a file of frames: for pictures, its name, size and rate",
      kind: "file",
    },
    ...[server(`${DEFAULT_SERVER}, with a session`), key],
    json,
  ],
  examples: [
    {
      meaning: "The output of masklet track as COCO.",
      line: "masklet export masks.jsonl --format coco --out masks.json",
    },
    {
      meaning: "The first frames, drawn on the video.",
      line: "masklet export masks.jsonl --format overlay --video clip.mp4 --frames 0-3 --out masks.mp4",
    },
    {
      meaning: "A session of a running server, with polygons.",
      line: "masklet export SESSION --format cvat --option masks=polygons --out masks.xml",
    },
  ],
  run: async ([what = ""], options) => (await import("./export.js")).exportResults(what, options),
};

const importCommand: CommandSpec = {
  name: "import",
  meaning: "Add annotations of another tool to a session of a running server, and print its id.",
  arguments: [{ name: "file", meaning: "file of annotations, or ZIP archive of several", kind: "file" }],
  options: [
    {
      flag: "--format",
      value: "format",
      meaning: "such as coco, cvat or mots; docs/exports.md lists all",
      isRequired: true,
      values: IMPORT_FORMAT_IDS,
    },
    { flag: "--session", value: "id", meaning: "the session; either this or --video", kind: "text" },
    { flag: "--video", value: "path", meaning: "video to start a session with", kind: "file" },
    {
      flag: "--as",
      value: "kind",
      meaning: "prompts, or locked: frames that tracking does not change (default: prompts)",
      values: ["prompts", "locked"],
    },
    ...remote,
    json,
  ],
  examples: [
    {
      meaning: "Start a session on a video with the annotations as prompts.",
      line: "masklet import masks.json --format coco --video clip.mp4",
    },
    {
      meaning: "Keep the annotated frames of a session as they are in the file.",
      line: "masklet import masks.json --format coco --session SESSION --as locked",
    },
  ],
  run: async ([file = ""], options) => (await import("./import.js")).importAnnotations(file, options),
};

const cvatUpload: CommandSpec = {
  name: "cvat-upload",
  meaning: "Upload the tracks of a session, or of masklet track --out, into a task of CVAT.",
  arguments: [{ name: "what", meaning: "id of a session, or a file of frames", kind: "file" }],
  options: [
    {
      flag: "--task",
      value: "number",
      meaning: "the task, of the same video",
      isRequired: true,
      kind: "text",
    },
    {
      flag: "--cvat",
      value: "url",
      meaning: "the address of CVAT (default: http://localhost:8080); CVAT_ACCESS_TOKEN has its token",
      kind: "text",
    },
    {
      flag: "--label",
      value: "name",
      meaning: "label of objects whose name is no label (default: the first one of the task)",
      kind: "text",
    },
    ...[server(`${DEFAULT_SERVER}, with a session`), key],
    json,
  ],
  examples: [
    {
      meaning: "Upload the tracks of a session into task 7 of a local CVAT.",
      line: "masklet cvat-upload SESSION --task 7 --label dog",
    },
    {
      meaning: "Upload the results of `masklet track`, objects with the labels of their phrases.",
      line: "masklet cvat-upload masks.jsonl --task 7",
    },
  ],
  run: async ([what = ""], options) => (await import("./cvat-upload.js")).uploadTracks(what, options),
};

const keysFile = {
  flag: "--file",
  value: "file",
  meaning: "file of keys (default: that of MASKLET_KEYS)",
  kind: "file",
} as const;

const keys: CommandSpec = {
  name: "keys",
  meaning: "Make, list and remove the keys of a server.",
  commands: [
    {
      name: "add",
      meaning: "Make a key of an owner, and print it. The file contains only a hash of it.",
      arguments: [{ name: "name", meaning: "the owner", kind: "text" }],
      options: [
        {
          ...keysFile,
          meaning: "file of keys to add it to (default: print the line for the file)",
        },
        {
          flag: "--weight",
          value: "number",
          meaning: "share of a busy server, 1 to 100 (default: 1)",
          kind: "text",
        },
        json,
      ],
      examples: [
        { meaning: "Add a key to a file.", line: "masklet keys add ann --file masklet.keys" },
        { meaning: "Print the line for a file.", line: "masklet keys add ann --weight 2" },
      ],
      run: async ([name = ""], options) => (await import("./keys.js")).addKey(name, options),
    },
    {
      name: "list",
      meaning: "Print name, weight and the beginning of the hash of each key.",
      options: [keysFile, json],
      examples: [
        { meaning: "The keys of a file.", line: "masklet keys list --file masklet.keys" },
        { meaning: "As JSON.", line: "masklet keys list --file masklet.keys --json" },
      ],
      run: async (_, options) => (await import("./keys.js")).listKeys(options),
    },
    {
      name: "remove",
      meaning: "Remove the keys of an owner, or one of them by the beginning of its hash.",
      arguments: [
        { name: "name", meaning: "the owner", kind: "text" },
        { name: "hash", isOptional: true, meaning: "at least 8 digits", kind: "text" },
      ],
      options: [keysFile, json],
      examples: [
        { meaning: "All keys of an owner.", line: "masklet keys remove ann --file masklet.keys" },
        { meaning: "One key.", line: "masklet keys remove ann HASH --file masklet.keys" },
      ],
      run: async ([name = "", hash], options) => (await import("./keys.js")).removeKeys(name, hash, options),
    },
  ],
};

const pack: CommandSpec = {
  name: "pack",
  meaning: "List, verify and add model packs.",
  commands: [
    {
      name: "list",
      meaning: "List the packs that masklet serve --pack finds by name.",
      options: [data, json],
      examples: [
        { meaning: "Names, sizes and licences.", line: "masklet pack list" },
        { meaning: "Also those of another data folder.", line: "masklet pack list --data work --json" },
      ],
      run: async (_, options) => (await import("./pack/list.js")).listPacks(options),
    },
    {
      name: "verify",
      meaning: "Verify every rule of the Model Pack contract, and name the file and tensor of each fault.",
      arguments: [
        { name: "pack", meaning: "folder of a pack, or a name of masklet pack list", kind: "folder" },
      ],
      options: [data, json],
      examples: [
        { meaning: "The embedded pack.", line: "masklet pack verify compact" },
        { meaning: "A folder.", line: "masklet pack verify packs/mine --json" },
      ],
      run: async ([name = ""], options) => (await import("./pack/verify.js")).verifyPack(name, options),
    },
    {
      name: "add",
      meaning: "Verify a pack and copy it to the data folder, where masklet serve --pack finds it by name.",
      arguments: [
        {
          name: "source",
          meaning: "folder, ZIP or tar archive, or the name of an installed npm package",
          kind: "file",
        },
      ],
      options: [data, { flag: "--replace", meaning: "replace a pack of the same name" }, json],
      examples: [
        { meaning: "A folder.", line: "masklet pack add packs/mine" },
        { meaning: "An archive, for another data folder.", line: "masklet pack add mine.tar.gz --data work" },
      ],
      run: async ([source = ""], options) => (await import("./pack/add.js")).addPack(source, options),
    },
  ],
};

const conformance: CommandSpec = {
  name: "conformance",
  meaning: "Verify a running server against the numbered rules of PROTOCOL.md.",
  arguments: [{ name: "url", meaning: `the server, such as ${DEFAULT_SERVER}`, kind: "text" }],
  options: [
    { ...key, meaning: "key of an owner (default: the variable MASKLET_KEY)" },
    {
      flag: "--only",
      value: "rule",
      meaning: "a rule such as C-12, or a topic such as C",
      isRepeatable: true,
      kind: "text",
    },
    json,
  ],
  examples: [
    { meaning: "The rules of one topic.", line: "masklet conformance ws://127.0.0.1:8765 --only D" },
    { meaning: "One rule, as JSON.", line: "masklet conformance ws://127.0.0.1:8765 --only H-21 --json" },
  ],
  run: async ([url = ""], options) => (await import("./conformance.js")).conformance(url, options),
};

const completion: CommandSpec = {
  name: "completion",
  meaning: "Print a script that completes commands and options in a shell.",
  arguments: [{ name: "shell", meaning: SHELLS.join(", "), kind: "text", values: SHELLS }],
  examples: [
    { meaning: "In bash.", line: "masklet completion bash > masklet.bash" },
    { meaning: "In zsh, in a folder of fpath.", line: "masklet completion zsh > _masklet" },
    { meaning: "In fish, in ~/.config/fish/completions.", line: "masklet completion fish > masklet.fish" },
  ],
  run: async ([shell = ""], _, commands) =>
    (await import("./completion.js")).printCompletion(shell, commands),
};

export const COMMANDS: readonly CommandSpec[] = [
  serve,
  track,
  batch,
  upload,
  exportCommand,
  importCommand,
  cvatUpload,
  pack,
  keys,
  conformance,
  completion,
];
