/**
 * Collects garbage after a session was closed, once the process is idle. An idle process allocates nothing, so that V8 would not
 * collect the memory of the session, most of which is outside its heap.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface IdleCollection {
  /** A call begins. */
  begin(): void;
  /** A call has ended. @param freesMemory whether it has closed a session or dropped its state */
  end(freesMemory: boolean): void;
}

/** A collection takes some ten milliseconds. Not between two calls of a client that works. */
const IDLE_MS = 1000;

/** @param collect a full garbage collection */
export function createIdleCollection(collect: () => void = collectGarbage): IdleCollection {
  let calls = 0;
  let isDue = false;
  let timer: NodeJS.Timeout | undefined;
  return {
    begin() {
      calls += 1;
      clearTimeout(timer);
    },
    end(freesMemory) {
      calls -= 1;
      isDue ||= freesMemory;
      if (calls > 0 || !isDue) return;
      timer = setTimeout(() => {
        isDue = false;
        collect();
      }, IDLE_MS);
      timer.unref();
    },
  };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
}
