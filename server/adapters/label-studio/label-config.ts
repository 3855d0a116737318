/** The parts of a labeling configuration that the adapter fills. */
import { SaxesParser } from "saxes";
import { ProtocolError } from "../../../protocol/index.js";
import { MAX_NAME_CHARS } from "./schemas.js";

export interface Label {
  name: string;
  /** What the model searches for: the attribute `predicted_values`, or the name. */
  phrases: readonly string[];
}

export interface Control {
  /** Such as `videorectangle` or `brushlabels`. */
  tag: string;
  name: string;
  toName: string;
  labels: readonly Label[];
}

export interface MediaTag {
  tag: "video" | "image";
  name: string;
  /** The field of a task's data. */
  field: string;
  /** True for a sequence of pictures, `valueList`. */
  isList: boolean;
  /** As it is written: frames a second, seconds a frame, or a field of a task's data, such as `$fps`. */
  framerate: string;
}

export interface LabelConfig {
  media: MediaTag;
  /** The controls of the media, in the order of the configuration. */
  controls: readonly Control[];
  labels: readonly Label[];
}

/** What Label Studio assumes for `<Video>` without `framerate`, or with another text than a number. */
const DEFAULT_FRAMERATE = 24;

/** @throws ProtocolError invalid_field for a configuration without a video or picture */
export function readLabelConfig(xml: string): LabelConfig {
  const media: MediaTag[] = [];
  const controls: (Control & { labels: Label[] })[] = [];
  const parser = new SaxesParser();
  parser.on("opentag", ({ name: tagName, attributes }) => {
    const tag = tagName.toLowerCase();
    const attribute = (name: string) =>
      Object.entries(attributes).find(([key]) => key.toLowerCase() === name)?.[1] as string | undefined;
    const name = attribute("name") ?? "";
    if (tag === "video" || tag === "image") {
      const list = tag === "image" ? attribute("valuelist") : undefined;
      const field = (list ?? attribute("value") ?? "").replace(/^\$/, "");
      const isList = list !== undefined;
      media.push({ tag, name, field, isList, framerate: attribute("framerate") ?? "" });
    } else if (attribute("toname") !== undefined) {
      controls.push({ tag, name, toName: attribute("toname") ?? "", labels: [] });
    } else if (tag === "label") {
      const value = attribute("value") ?? attribute("alias") ?? "";
      if (value.length > MAX_NAME_CHARS)
        throw problem(`expected labels of at most ${MAX_NAME_CHARS} characters`);
      const phrases = (attribute("predicted_values") ?? value).split(",").map((text) => text.trim());
      controls.at(-1)?.labels.push({ name: value, phrases: phrases.filter((text) => text !== "") });
    }
  });
  try {
    parser.write(xml).close();
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause;
    throw problem("expected XML", cause);
  }
  const [first] = media;
  if (!first) throw problem("expected a <Video> or an <Image>");
  const own = controls.filter(({ toName }) => toName.split(",").includes(first.name));
  return { media: first, controls: own, labels: own.flatMap(({ labels }) => labels) };
}

/** Frames a second by which Label Studio counts the frames of a task. */
export function framerateOf({ framerate }: MediaTag, data: Readonly<Record<string, unknown>>): number {
  const rate = Number(framerate.startsWith("$") ? data[framerate.slice(1)] : framerate);
  if (!(rate > 0 && Number.isFinite(rate))) return DEFAULT_FRAMERATE;
  return rate < 1 ? 1 / rate : rate;
}

export const controlOf = ({ controls }: LabelConfig, tag: string): Control | undefined =>
  controls.find((control) => control.tag === tag);

function problem(expectation: string, cause?: unknown): ProtocolError {
  const message = `The labeling configuration: ${expectation}.`;
  return new ProtocolError("invalid_field", message, "label_config", { cause });
}
