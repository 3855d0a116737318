/** Measures the stages of a frame: wraps the parts of a session, and changes nothing else. */
import type { Engine, EngineSession } from "./engine/index.js";
import type { MediaSource } from "./media/source.js";
import type { Metrics } from "./metrics.js";
import type { OutputsWriter } from "./outputs.js";

/** Observes how long callers wait for the pixels of each frame. */
export function measureMedia(media: MediaSource, metrics: Metrics): MediaSource {
  const decode = <T>(work: () => Promise<T>) =>
    metrics.time("masklet_stage_seconds", { stage: "decode" }, work);
  return {
    ...media,
    // `facts` of live media changes.
    get facts() {
      return media.facts;
    },
    frame: (index, size) => decode(() => media.frame(index, size)),
    frames(range) {
      const frames = media.frames(range);
      const measured: typeof frames = {
        next: () => decode(() => frames.next()),
        ...(frames.return && {
          return: (value?: unknown) => frames.return?.(value) as ReturnType<typeof frames.next>,
        }),
        [Symbol.asyncIterator]: () => measured,
      };
      return measured;
    },
  };
}

/** Calls that compute the masks of one frame. */
const STEPS: ReadonlySet<string> = new Set(["next", "prompt", "predict"]);

/** Observes how long the masks of a frame are encoded. */
export function measureOutputs(outputs: OutputsWriter, metrics: Metrics): OutputsWriter {
  return {
    ...outputs,
    write: (...frame) =>
      metrics.time("masklet_stage_seconds", { stage: "output" }, () => outputs.write(...frame)),
  };
}

/** An engine whose sessions are measured. */
export function measureSessions(engine: Engine, metrics: Metrics): Engine {
  return {
    ...engine,
    get pack() {
      return engine.pack;
    },
    open: async (...video) => measureCalls(await engine.open(...video), metrics),
  };
}

/** Observes every call. */
function measureCalls(engine: EngineSession, metrics: Metrics): EngineSession {
  return new Proxy(engine, {
    get(target, verb: string) {
      const value = Reflect.get(target, verb);
      if (typeof value !== "function") return value;
      return (...parameters: unknown[]) => {
        const result = (value as (...all: unknown[]) => unknown).apply(target, parameters);
        if (result instanceof Promise) observe(verb, result);
        return result;
      };
    },
  });

  function observe(verb: string, call: Promise<unknown>): void {
    const start = performance.now();
    const end = () => {
      const seconds = (performance.now() - start) / 1000;
      metrics.observe("masklet_engine_call_seconds", { verb }, seconds);
      if (STEPS.has(verb)) metrics.observe("masklet_stage_seconds", { stage: "engine" }, seconds);
    };
    call.then(end, end);
  }
}
