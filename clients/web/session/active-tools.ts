/** Timeline, object panel and commands of the video on the stage. */
import { computed, effect, signal } from "@preact/signals";
import { addCommands, type Command } from "../app/commands.js";
import { notify } from "../app/notices.js";
import { createSessionTools, type SessionTools } from "../edits/session-tools.js";
import type { RunningRange } from "../timeline/model.js";
import type { OpenSession } from "./open-session.js";
import { activeSession } from "./sessions.js";

const made = new WeakMap<OpenSession, SessionTools>();

export function toolsOf(session: OpenSession): SessionTools {
  let tools = made.get(session);
  if (!tools) {
    tools = create(session);
    made.set(session, tools);
  }
  return tools;
}

function create(session: OpenSession): SessionTools {
  const { runner } = session;
  const running = computed((): RunningRange | undefined => {
    const state = session.run.value;
    if (state.kind !== "running") return undefined;
    const { first, last, frame } = state;
    return { first, last, frame };
  });
  return createSessionTools({
    session,
    running,
    notify,
    async pauseRun() {
      if (runner.state.peek().kind !== "running") return false;
      await runner.pause();
      return true;
    },
    resumeRun: () => void runner.resume().catch(() => {}),
    recompute: () =>
      runner.start({ scope: "affected", direction: "both", start: session.frame.peek(), end: 0 }),
  });
}

const additional = signal<readonly ((session: OpenSession) => readonly Command[])[]>([]);

/** Adds commands that exist while a video is open. */
export function addSessionCommands(make: (session: OpenSession) => readonly Command[]): void {
  additional.value = [...additional.peek(), make];
}

/** Keeps the registry of commands up to date. Call it once. */
export function followActiveSession(): () => void {
  let remove = () => {};
  return effect(() => {
    const session = activeSession.value;
    const makers = additional.value;
    remove();
    remove = session
      ? addCommands([...toolsOf(session).commands, ...makers.flatMap((make) => make(session))])
      : () => {};
  });
}
