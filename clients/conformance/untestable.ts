/** Rules that no client can verify from outside, each with the reason. */
const CLIENT = "the rule is about clients";
const SECOND = "it needs a second owner";
const RESTART = "a client cannot end the inference process";
const STOP = "a client cannot stop the server";
const MODEL = "only the model's choice of masks shows it, and no client knows the right masks";
const PRESET = "the preset of the model pack is not on the wire";
const PIXELS = "no answer contains the pixels of frames";

export const UNTESTABLE: Readonly<Record<string, string>> = {
  "A-4": "the address of the suite would be blocked",
  "A-6": SECOND,
  "A-7": SECOND,
  "A-8": "a client cannot change the keys of the server",
  "A-11": SECOND,
  "B-6": "the rule is about decoders; the server decodes no packed masks",
  "C-9": CLIENT,
  "C-17": CLIENT,
  "E-14": "65,536 locked masks take longer than a check may run",
  "E-16": MODEL,
  "F-7": PIXELS,
  "H-14": "the limit of connections would be reached for all clients of the server",
  "H-20": "the address that the server sees is in no answer",
  "K-5": "it needs a second model pack",
  "K-7": "the lifetime is a week",
  "K-8": SECOND,
  "L-17": "it needs a camera that the server's settings permit",
  "L-18": "it needs a camera that the server's settings permit",
  "L-19": "it needs a camera that the server's settings permit",
  "L-20": "it needs a camera that the server's settings permit",
  "O-23": "the facts behind a reason are not on the wire",
  "P-4": MODEL,
  "P-9": PRESET,
  "P-11": MODEL,
  "R-15": "a log of many megabytes takes longer to fill than a check may run",
  "R-17": "the log keeps the results of a slow watcher for longer than a check may run",
  "R-18": "the log keeps the results of a slow watcher for longer than a check may run",
  "R-22": "sessions of other owners would end",
  "R-24": CLIENT,
  "R-25": CLIENT,
  "R-26": RESTART,
  "R-27": RESTART,
  "S-3": RESTART,
  "S-17": PIXELS,
  "T-2": "no request of a client makes a stream fail in the middle on every server",
  "T-5": MODEL,
  "T-7": PRESET,
  "T-13": "buffers of the network hide which frames are computed",
  "U-1": "the disk of the server is not visible",
  "U-12": "the disk of the server is not visible",
  "U-20": "the lifetime of an upload is longer than a check may run",
  "V-4": "the scores of a model may have any order",
  "X-3": "the event depends on how fast the server opens a file",
  "X-6": RESTART,
  "X-8": "the log keeps the results of a slow watcher for longer than a check may run",
  "X-9": RESTART,
  "X-13": STOP,
  "X-14": STOP,
};
