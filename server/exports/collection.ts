/** Several videos and pictures in one file. */
import { categoriesOf, type ExportSource } from "./source.js";

export interface ExportCollection {
  name: string;
  /** Names of categories in the order of their numbers, which start at 1. Contains the category of every object. */
  categories: readonly string[];
  /** By ascending number. May be called several times; each source is read before the next one is requested. */
  videos(): AsyncIterable<{ videoId: number; source: ExportSource }>;
}

/** A video with the numbers of a file: an image has `firstImage` and its frame, a track `firstTrack` and its object. */
export interface NumberedVideo {
  videoId: number;
  source: ExportSource;
  /** Frames of all videos before it. */
  firstImage: number;
  /** More than every object id of the videos before it, counted on. */
  firstTrack: number;
}

export async function* numberedVideos({ videos }: ExportCollection): AsyncGenerator<NumberedVideo> {
  let [firstImage, firstTrack] = [0, 0];
  for await (const { videoId, source } of videos()) {
    yield { videoId, source, firstImage, firstTrack };
    firstImage += source.facts.numFrames;
    firstTrack += (source.objects.at(-1)?.objectId ?? -1) + 1;
  }
}

export function collectionOfOne(source: ExportSource): ExportCollection {
  return {
    name: source.facts.name,
    categories: [...categoriesOf(source.objects).keys()],
    async *videos() {
      yield { videoId: 1, source };
    },
  };
}

export function categoryNumbers({ categories }: ExportCollection): Map<string, number> {
  return new Map(categories.map((name, at) => [name, at + 1]));
}
