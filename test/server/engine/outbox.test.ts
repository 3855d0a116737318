import fc from "fast-check";
import { expect, test } from "vitest";
import { createOutbox } from "../../../server/engine/outbox.js";

/** An outbox whose channel accepts a message when `next` is called, and the messages that were written. */
function slowChannel() {
  const written: string[] = [];
  let done: (() => void) | undefined;
  const outbox = createOutbox<string>((message, accepted) => {
    written.push(message);
    done = accepted;
  });
  return {
    outbox,
    written,
    next() {
      const accepted = done;
      done = undefined;
      accepted?.();
      return accepted !== undefined;
    },
  };
}

test("an urgent message comes before all that wait, but not before earlier ones of its session", () => {
  const { outbox, written, next } = slowChannel();
  for (const session of [1, 2, 3, 2]) outbox.send(`frame of ${session}`, { session, isUrgent: false });
  outbox.send("click in 2", { session: 2, isUrgent: true });
  outbox.send("click in 4", { session: 4, isUrgent: true });
  while (next()) {}
  expect(written).toEqual([
    "frame of 1",
    "frame of 2",
    "frame of 2",
    "click in 2",
    "click in 4",
    "frame of 3",
  ]);
});

test("every message is written once, one at a time, and those of a session in their order", () => {
  const message = fc.record({ session: fc.integer({ min: 0, max: 3 }), isUrgent: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.option(message, { nil: null }), { maxLength: 60 }), (steps) => {
      const { outbox, written, next } = slowChannel();
      const sent: string[] = [];
      for (const to of steps) {
        if (!to) {
          next();
          continue;
        }
        sent.push(`${to.session} ${sent.length}`);
        outbox.send(sent.at(-1) as string, to);
      }
      while (next()) {}
      expect([...written].sort()).toEqual([...sent].sort());
      for (const session of "0123") {
        const ofSession = (messages: string[]) => messages.filter((text) => text.startsWith(session));
        expect(ofSession(written)).toEqual(ofSession(sent));
      }
    }),
  );
});

test("a channel that accepts at once gets everything at once", () => {
  const written: string[] = [];
  const outbox = createOutbox<string>((message, done) => {
    written.push(message);
    done();
  });
  for (const text of ["a", "b", "c"]) outbox.send(text, { session: 1, isUrgent: false });
  expect(written).toEqual(["a", "b", "c"]);
});
