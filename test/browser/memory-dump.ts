/** Reads from Chromium what the memory of the page consists of. */
import type { Browser, CDPSession } from "playwright-core";

/** Megabytes by allocator of the renderer that uses the most, for example `partition_alloc` or `v8`. */
export async function dumpMemory(browser: Browser): Promise<{ megabytesBy: Record<string, number> }> {
  const tracing = await browser.newBrowserCDPSession();
  try {
    const dumps = await requestDump(tracing);
    const largest = [...dumps.values()].sort((a, b) => total(b) - total(a))[0] ?? {};
    const megabytesBy = Object.fromEntries(
      Object.entries(largest)
        .map(([name, bytes]) => [name, Math.round(bytes / 1e6)] as const)
        .filter(([, megabytes]) => megabytes > 5)
        .sort((a, b) => b[1] - a[1]),
    );
    return { megabytesBy };
  } finally {
    await tracing.detach();
  }
}

type Sizes = Record<string, number>;

const total = (sizes: Sizes) => Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);

interface TraceEvent {
  ph: string;
  pid: number;
  args: { dumps?: { allocators?: Record<string, { attrs?: Record<string, { value: string }> }> } };
}

/** @returns bytes by allocator of each process */
async function requestDump(tracing: CDPSession): Promise<Map<number, Sizes>> {
  const events: TraceEvent[] = [];
  tracing.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const complete = new Promise((resolve) => tracing.once("Tracing.tracingComplete", resolve));
  await tracing.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["disabled-by-default-memory-infra"], excludedCategories: ["*"] },
  });
  await tracing.send("Tracing.requestMemoryDump", { levelOfDetail: "detailed" });
  await tracing.send("Tracing.end");
  await complete;

  const processes = new Map<number, Sizes>();
  for (const { ph, pid, args } of events) {
    if (ph !== "v") continue;
    const sizes = processes.get(pid) ?? {};
    processes.set(pid, sizes);
    for (const [name, { attrs }] of Object.entries(args.dumps?.allocators ?? {})) {
      // Top levels only: they contain the others.
      const size = attrs?.size ?? attrs?.effective_size;
      if (!name.includes("/") && size) sizes[name] = Number.parseInt(size.value, 16);
    }
  }
  return processes;
}
