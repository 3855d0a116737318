/** Decides when one session has ended the inference process too often, so that the other sessions can go on. */

/** A call that ended the process is tried once more. */
const MAX_ENDS_IN_ONE_CALL = 2;
/**
 * The process may be killed from outside while sessions are rebuilt, each time in another call. A session during whose calls
 * the process ends again and again, before one is answered, is as harmful as a single such call.
 */
const MAX_ENDS_WITHOUT_ANSWER = 5;

export interface ProcessEnds {
  /**
   * Counts an end of the process during a call of the session.
   * @param call the same object each time the call is repeated
   * @param reason the signal or the exit status
   * @returns why the session is lost, as one sentence; undefined while it may go on
   */
  add(call: object, reason: string): string | undefined;
  /** A call was answered: the count starts again. */
  reset(): void;
}

export function countProcessEnds(): ProcessEnds {
  let ends: object[] = [];
  return {
    add(call, reason) {
      ends.push(call);
      const inOneCall = ends.filter((other) => other === call).length;
      if (inOneCall < MAX_ENDS_IN_ONE_CALL && ends.length < MAX_ENDS_WITHOUT_ANSWER) return undefined;
      const where = inOneCall < MAX_ENDS_IN_ONE_CALL ? "calls" : "a call";
      return `The inference process ended ${ends.length} times in a row (${reason}) during ${where} of this session.`;
    },
    reset() {
      ends = [];
    },
  };
}
