/** All instances of phrases on one picture. */
import type { Convert } from "../conversion-thread.js";
import { ask } from "../requests.js";
import type { Conversions } from "./conversions.js";
import type { PushedSessions, SessionOpening } from "./pushed-sessions.js";
import type { RequestFields } from "./schemas.js";

export interface DetectorParts {
  sessions: PushedSessions;
  convert: Convert<Conversions>;
  phrases: readonly string[];
}

export function createDetector({ sessions, convert, phrases }: DetectorParts) {
  return {
    /** Returns the JSON of the detections. @throws ProtocolError unsupported_by_pack, and the errors of `push_frame` */
    async detect(opening: SessionOpening, { threshold }: RequestFields<"detector">): Promise<string> {
      const { client } = opening;
      return sessions.open(opening, async ({ hosted, id: session_id }) => {
        const detections: string[] = [];
        for (const text of phrases) {
          const { outputs } = await ask(client, {
            type: "add_prompt",
            ...{ session_id, frame_index: "latest", text, replace: true, mask_format: "rle" },
            ...(threshold && { output_prob_thresh: threshold }),
          });
          for (const [at, mask] of (outputs.out_binary_masks ?? []).entries())
            detections.push(await convert("detection", mask, text, outputs.out_probs[at] ?? 0));
        }
        await hosted.close();
        return `[${detections.join()}]`;
      });
    },
  };
}
