import type { EditContext } from "./edit-context.js";
import { createHistory, type History } from "./history.js";

/** The history of a session: results are read again behind each undo and redo. */
export function openHistory({ client, refresh }: Pick<EditContext, "client" | "refresh">): History {
  const thenRefresh = async (direction: "undo" | "redo") => {
    const answer = await client[direction]();
    await refresh(answer.affected);
    return answer;
  };
  return createHistory({ undo: () => thenRefresh("undo"), redo: () => thenRefresh("redo") });
}
