/** Options that several commands share. */
import type { OptionSpec } from "./command-spec.js";

export const DEFAULT_SERVER = "ws://127.0.0.1:8765";

export const text: OptionSpec = {
  flag: "--text",
  value: "phrase",
  meaning: "every instance of a phrase",
  isRepeatable: true,
  kind: "text",
};

/** @param fallback what happens without the option */
export const server = (fallback: string): OptionSpec => ({
  flag: "--server",
  value: "url",
  meaning: `a running server, such as ${DEFAULT_SERVER} (default: ${fallback})`,
  kind: "text",
});

export const key: OptionSpec = {
  flag: "--key",
  value: "key",
  meaning: "the key for the server (default: MASKLET_KEY)",
  kind: "text",
};

export const json: OptionSpec = {
  flag: "--json",
  meaning: "print the result as one JSON document on standard output",
};

export const data: OptionSpec = {
  flag: "--data",
  value: "folder",
  meaning: "the data folder (default: masklet in the data folder of the user)",
  kind: "folder",
};

/** @param format whose options they are */
export const formatOption: OptionSpec = {
  flag: "--option",
  value: "name=value",
  meaning: "an option of the format, such as masks=polygons",
  isRepeatable: true,
  kind: "text",
};
