/** A scripted engine that knows which phrase has found each object, and where objects are declared to be gone. */
import type { Engine, EnginePrompt, FrameOutput } from "../../server/engine/index.js";
import type { ScriptedEngine } from "./scripted-engine.js";

export interface ConceptOptions {
  /** Receives every prompt. */
  prompts?: EnginePrompt[];
  /** Phrases that find nothing, also when they have found something before. */
  unknown?: Set<string>;
}

/** The engine, with the phrase of each object that a phrase has given, and without objects where they are declared to be gone. */
export function withConcepts(
  scripted: ScriptedEngine,
  { prompts = [], unknown = new Set() }: ConceptOptions = {},
): Engine {
  return {
    ...scripted,
    async open(...opening) {
      const session = await scripted.open(...opening);
      const concepts = new Map<number, string>();
      const known = new Set<number>();
      const gone = new Set<string>();
      const place = (objectId: number, frame: number) => `${objectId} ${frame}`;
      const judge = (output: FrameOutput): FrameOutput => ({
        ...output,
        objects: output.objects
          .filter(({ objectId }) => !unknown.has(concepts.get(objectId) ?? ""))
          .map((object) => {
            const concept = concepts.get(object.objectId);
            if (concept === undefined) return object;
            const prompt = { kind: "concept", frameIndex: 0, concept } as const;
            return { ...object, judged: { score: 0.9, prompt, suspect: null } };
          }),
      });
      return {
        ...session,
        async prompt(params) {
          const answer = await session.prompt(params);
          const { prompt } = params;
          prompts.push(prompt);
          for (const { objectId } of answer.output.objects) {
            if (!known.has(objectId) && prompt.kind === "concept") concepts.set(objectId, prompt.text ?? "");
            known.add(objectId);
          }
          return { ...answer, output: judge(answer.output) };
        },
        async edit(params) {
          const { edit } = params;
          if (edit.kind === "absent") {
            for (let frame = edit.firstFrame; frame <= edit.lastFrame; frame++) {
              if (edit.absent) gone.add(place(edit.objectId, frame));
              else gone.delete(place(edit.objectId, frame));
            }
          }
          return session.edit(params);
        },
        next: async () =>
          (await session.next()).map(judge).map((output) => ({
            ...output,
            objects: output.objects.filter(({ objectId }) => !gone.has(place(objectId, output.frameIndex))),
          })),
      };
    },
  };
}
