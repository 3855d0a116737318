/** The server's facts: model pack, limits, kinds of prompts. Undefined before the first connection. */
import { signal } from "@preact/signals";
import type { AnswerOf } from "../../typescript/index.js";

export const serverFacts = signal<AnswerOf<"get_server"> | undefined>(undefined);
