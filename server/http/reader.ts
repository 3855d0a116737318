/** Answers that the reader pulls, part by part. */
import type { ServerResponse } from "node:http";
import { clientLeft } from "../failure.js";

/** Aborts when the reader leaves before the answer is complete. */
export function leavingSignal(outgoing: ServerResponse): AbortSignal {
  const leaving = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) leaving.abort(clientLeft());
  });
  return leaving.signal;
}

/**
 * A body whose parts are made when the reader takes them. The first part is made at once, so that its failure has a status of
 * its own. After a later failure the connection ends before the body is complete.
 */
export async function pulledBody(
  parts: AsyncGenerator<Uint8Array>,
  onFailure: (error: unknown) => Error,
): Promise<ReadableStream<Uint8Array>> {
  let first: IteratorResult<Uint8Array> | undefined = await parts.next();
  let hasLeft = false;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = first ?? (await parts.next());
          first = undefined;
          // The reader can leave while a part is made.
          if (hasLeft) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (!hasLeft) controller.error(onFailure(error));
        }
      },
      async cancel() {
        hasLeft = true;
        await parts.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
