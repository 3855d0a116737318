/**
 * The order of the messages to the inference process. A click would wait behind the pixels of all pushed frames. So one message
 * is written at a time, and urgent ones come first.
 */

export interface Addressed {
  /** Messages of one session keep their order. Null: the process itself. */
  session: number | null;
  isUrgent: boolean;
}

export interface Outbox<Message> {
  send(message: Message, to: Addressed): void;
}

/** @param write writes a message, and calls `done` once the channel has it */
export function createOutbox<Message>(write: (message: Message, done: () => void) => void): Outbox<Message> {
  const waiting: { message: Message; to: Addressed }[] = [];
  let isWriting = false;

  function writeNext(): void {
    const urgent = waiting.find(({ to }) => to.isUrgent);
    // It may have to wait for an earlier message of its session, which is then urgent as well.
    const at = urgent ? waiting.findIndex(({ to }) => to.session === urgent.to.session) : 0;
    const [next] = waiting.splice(at, 1);
    if (!next) return;
    isWriting = true;
    write(next.message, () => {
      isWriting = false;
      writeNext();
    });
  }

  return {
    send(message, to) {
      waiting.push({ message, to });
      if (!isWriting) writeNext();
    },
  };
}
