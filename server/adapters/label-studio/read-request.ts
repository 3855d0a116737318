/** The parts of a request for predictions that the adapter uses. Requests contain all annotations of their tasks. */
import { parseFields } from "../../../protocol/index.js";
import { parseJson } from "../routes.js";
import { framerateOf, type LabelConfig, readLabelConfig } from "./label-config.js";
import { predictSchema, type Region, regionSchema, type Task } from "./schemas.js";

export interface PredictRequest {
  project: string;
  /** The regions of the pressed label; undefined for a batch, and empty when nothing is asked. */
  regions: Region[] | undefined;
  config: LabelConfig;
  tasks: TaskRequest[];
}

export interface TaskRequest {
  id: number | string;
  /** Of the media; as many as the task has pages. */
  addresses: unknown[];
  /** Frames a second by which Label Studio counts the frames of a video. */
  framerate: number;
  phrases: string[];
  /** Who asks, as his drafts name him; undefined without a draft. */
  annotator: string | undefined;
  /** Ids of the regions of the annotator who asks, as far as Label Studio sends them. */
  regionIds: ReadonlySet<string>;
}

/** Text areas with these names contain phrases. */
const PHRASES = ["phrase", "phrases", "prompt"];

/** @throws ProtocolError malformed_json, missing_field, invalid_field */
export function readPredictRequest(body: Uint8Array): PredictRequest {
  const text = new TextDecoder().decode(body);
  const { tasks, label_config, params, project } = parseFields(predictSchema, parseJson(text));
  const regions = params?.context ? (params.context.result ?? []) : undefined;
  const config = readLabelConfig(label_config);
  return {
    ...{ project: project ?? "", regions, config },
    tasks: tasks.map((task) => {
      const known = [...(regions ?? []), ...newestDraft(task)];
      return {
        ...{ id: task.id, addresses: addressesOf(task, config), phrases: phrasesOf(known) },
        framerate: framerateOf(config.media, task.data),
        annotator: task.drafts?.findLast(({ user }) => user != null)?.user?.toString(),
        regionIds: new Set(known.map(({ id }) => id)),
      };
    }),
  };
}

function addressesOf({ data }: Task, { media: { isList, field } }: LabelConfig): unknown[] {
  const value = data[field];
  if (!isList) return [value];
  return Array.isArray(value) ? value : String(value).split(",");
}

/** Label Studio sends the drafts of the annotator who asks. */
const newestDraft = ({ drafts }: Task): Region[] =>
  (drafts?.at(-1)?.result ?? []).flatMap((one) => regionSchema.safeParse(one).data ?? []);

/** The texts of the text areas for phrases. */
function phrasesOf(regions: readonly Region[]): string[] {
  const texts = regions
    .filter(({ type, from_name }) => type === "textarea" && PHRASES.includes(from_name))
    .flatMap(({ value }) => value.text ?? [])
    .flatMap((text) => text.split(","))
    .map((text) => text.trim());
  return [...new Set(texts)].filter((text) => text !== "");
}
