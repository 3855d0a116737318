import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFairQueue, type Member } from "../../../server/engine/fair-queue.js";

const HEAD_START_MS = 1_000;

/** A session that always wants another turn, after a pause between its turns. */
interface Client {
  owner: string;
  weight: number;
  isUrgent: boolean;
  chunkMs: number;
  /** Time from the end of a turn to the next request. */
  pauseMs: number;
}

interface Turn {
  client: number;
  startMs: number;
  endMs: number;
  /** When the turn was requested. */
  sinceMs: number;
}

/** Runs the clients in one lane until `untilMs`. The machine is never idle while a client waits. */
function simulate(clients: readonly Client[], untilMs: number, headStartMs = HEAD_START_MS): Turn[] {
  const lane = "main";
  const queue = createFairQueue<number>(headStartMs);
  const members = clients.map(({ owner, weight, isUrgent }): Member => {
    const member = queue.join(owner, weight);
    member.isUrgent = isUrgent;
    return member;
  });
  const wantsAtMs = clients.map(() => 0 as number | undefined);
  const sinceMs = clients.map(() => 0);
  const turns: Turn[] = [];
  let nowMs = 0;
  while (nowMs < untilMs) {
    for (const [client, atMs] of wantsAtMs.entries()) {
      if (atMs === undefined || atMs > nowMs) continue;
      queue.add(members[client] as Member, lane, client);
      sinceMs[client] = atMs;
      wantsAtMs[client] = undefined;
    }
    const taken = queue.take(lane);
    if (!taken) {
      nowMs = Math.min(...wantsAtMs.flatMap((atMs) => atMs ?? []));
      continue;
    }
    const client = taken.job;
    const { chunkMs, pauseMs } = clients[client] as Client;
    const startMs = nowMs;
    nowMs += chunkMs;
    queue.end(lane, chunkMs);
    turns.push({ client, startMs, endMs: nowMs, sinceMs: sinceMs[client] as number });
    wantsAtMs[client] = nowMs + pauseMs;
  }
  return turns;
}

const usedMs = (turns: readonly Turn[], clients: readonly Client[], owner: string) =>
  turns
    .filter(({ client }) => clients[client]?.owner === owner)
    .reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);

const ownersOf = (clients: readonly Client[]) => [...new Set(clients.map(({ owner }) => owner))];

/** One weight for each owner. */
const anyClients = fc
  .record({
    weights: fc.record({
      a: fc.constantFrom(1, 2, 5),
      b: fc.constantFrom(1, 2, 5),
      c: fc.constantFrom(1, 2, 5),
    }),
    clients: fc.array(
      fc.record({
        owner: fc.constantFrom("a" as const, "b" as const, "c" as const),
        isUrgent: fc.boolean(),
        chunkMs: fc.integer({ min: 10, max: 80 }),
        pauseMs: fc.constantFrom(0, 0, 3, 40),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  })
  .map(({ weights, clients }) =>
    clients.map((client): Client => ({ ...client, weight: weights[client.owner] })),
  );

describe("the order of turns", () => {
  test("owners that always wait share the time by their weights, within one chunk", () => {
    fc.assert(
      fc.property(anyClients, (some) => {
        const clients = some.map((client) => ({ ...client, isUrgent: false, pauseMs: 0 }));
        const turns = simulate(clients, 3_000);
        const longestMs = Math.max(...clients.map(({ chunkMs }) => chunkMs));
        const shares = ownersOf(clients).map((owner) => {
          const weight = clients.find((client) => client.owner === owner)?.weight ?? 1;
          return usedMs(turns, clients, owner) / weight;
        });
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(longestMs);
      }),
    );
  });

  test("the sessions of an owner that always wait share its time equally, within one chunk", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 2, maxLength: 6 }), (chunks) => {
        const clients = chunks.map(
          (chunkMs): Client => ({ owner: "a", weight: 1, isUrgent: false, chunkMs, pauseMs: 0 }),
        );
        const turns = simulate(clients, 3_000);
        const used = clients.map((_, client) =>
          turns
            .filter((turn) => turn.client === client)
            .reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0),
        );
        expect(Math.max(...used) - Math.min(...used)).toBeLessThanOrEqual(Math.max(...chunks));
      }),
    );
  });

  test("no session waits for ever, whatever the others send", () => {
    fc.assert(
      fc.property(anyClients, (clients) => {
        const headStartMs = 100;
        const turns = simulate(clients, 40_000, headStartMs);
        const weights = new Map(clients.map(({ owner, weight }) => [owner, weight]));
        const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
        // Each of the owner's other sessions may be ahead by the head start and a turn; so may each other owner.
        const boundOf = ({ weight }: Client) => (2 * total * clients.length * (headStartMs + 80)) / weight;
        for (const index of clients.keys()) expect(turns.some(({ client }) => client === index)).toBe(true);
        for (const { client, startMs, sinceMs } of turns)
          expect(startMs - sinceMs).toBeLessThanOrEqual(boundOf(clients[client] as Client));
      }),
      { numRuns: 50 },
    );
  });

  test("prompts without end take half of the time from a stream of another owner, also when it pauses after each frame", () => {
    for (const pauseMs of [0, 5]) {
      const clients: Client[] = [
        ...Array.from(
          { length: 8 },
          (): Client => ({ owner: "flood", weight: 1, isUrgent: true, chunkMs: 10, pauseMs: 0 }),
        ),
        { owner: "stream", weight: 1, isUrgent: false, chunkMs: 30, pauseMs },
      ];
      const turns = simulate(clients, 30_000);
      expect(usedMs(turns, clients, "stream")).toBeGreaterThan(30_000 / 2 - HEAD_START_MS - 100);
    }
  });

  test("an urgent turn waits for the one in progress and for other urgent ones, as long as its owner stays within its share", () => {
    fc.assert(
      fc.property(anyClients, fc.integer({ min: 200, max: 900 }), (some, pauseMs) => {
        const streams = some.map((client) => ({ ...client, isUrgent: false }));
        const click: Client = { owner: "click", weight: 1, isUrgent: true, chunkMs: 20, pauseMs };
        const turns = simulate([...streams, click], 10_000);
        const longestMs = Math.max(...streams.map(({ chunkMs }) => chunkMs));
        const clicks = turns.filter(({ client }) => client === streams.length);
        expect(clicks.length).toBeGreaterThan(5);
        for (const { startMs, sinceMs } of clicks.slice(1))
          expect(startMs - sinceMs).toBeLessThanOrEqual(longestMs);
      }),
    );
  });

  test("an owner's own streams do not delay its prompts", () => {
    const streams = Array.from(
      { length: 4 },
      (): Client => ({ owner: "a", weight: 1, isUrgent: false, chunkMs: 30, pauseMs: 2 }),
    );
    const click: Client = { owner: "a", weight: 1, isUrgent: true, chunkMs: 20, pauseMs: 300 };
    const other: Client = { owner: "b", weight: 1, isUrgent: false, chunkMs: 40, pauseMs: 2 };
    const turns = simulate([...streams, click, other], 20_000);
    for (const { client, startMs, sinceMs } of turns)
      if (client === 4) expect(startMs - sinceMs).toBeLessThanOrEqual(40);
  });
});

test("a new owner starts at the present time: it neither catches up nor waits for the past of the others", () => {
  const queue = createFairQueue<string>(HEAD_START_MS);
  const old = queue.join("old", 1);
  for (let turn = 0; turn < 100; turn++) {
    queue.add(old, "main", "old");
    queue.take("main");
    queue.end("main", 50);
  }
  const added = queue.join("new", 1);
  const order: string[] = [];
  queue.add(old, "main", "old");
  queue.add(added, "main", "new");
  for (let turn = 0; turn < 10; turn++) {
    const taken = queue.take("main");
    if (!taken) throw new Error("no job");
    order.push(taken.job);
    queue.end("main", 50);
    queue.add(taken.member, "main", taken.job);
  }
  expect(order.filter((job) => job === "old")).toHaveLength(5);
});

test("the jobs of a session are taken in their order, and only one of a lane at a time", () => {
  const queue = createFairQueue<string>();
  const member = queue.join("a", 1);
  queue.add(member, "encode", "first");
  queue.add(member, "encode", "second");
  expect(queue.take("encode")?.job).toBe("first");
  expect(queue.take("encode")).toBeUndefined();
  queue.end("encode", 1);
  expect(queue.take("encode")?.job).toBe("second");
});

describe("two lanes", () => {
  test("a stream waits in one lane while an urgent job runs or waits in the other", () => {
    const queue = createFairQueue<string>(HEAD_START_MS);
    const [stream, click] = [queue.join("a", 1), queue.join("b", 1)];
    click.isUrgent = true;
    queue.add(click, "encode", "encode of the click");
    queue.add(stream, "main", "frame");
    expect(queue.take("main")).toBeUndefined();
    expect(queue.take("encode")?.job).toBe("encode of the click");
    expect(queue.take("main")).toBeUndefined();
    queue.end("encode", 20);
    expect(queue.take("main")?.job).toBe("frame");
  });

  test("it waits no longer once the urgent jobs have used up their head start", () => {
    const queue = createFairQueue<string>(HEAD_START_MS);
    const [stream, click] = [queue.join("a", 1), queue.join("b", 1)];
    click.isUrgent = true;
    queue.add(stream, "main", "frame");
    let encodedMs = 0;
    for (;;) {
      queue.add(click, "encode", "encode of a click");
      queue.take("encode");
      if (queue.take("main")) break;
      queue.end("encode", 50);
      encodedMs += 50;
    }
    expect(encodedMs).toBe(HEAD_START_MS + 50);
  });

  test("streams use both lanes at once", () => {
    const queue = createFairQueue<string>();
    const [a, b] = [queue.join("a", 1), queue.join("b", 1)];
    queue.add(a, "main", "frame of a");
    queue.add(b, "encode", "frame of b");
    expect(queue.take("main")?.job).toBe("frame of a");
    expect(queue.take("encode")?.job).toBe("frame of b");
  });
});

test("jobs that are removed, or whose session leaves, are never taken", () => {
  const queue = createFairQueue<string>();
  const [a, b] = [queue.join("a", 1), queue.join("b", 1)];
  queue.add(a, "main", "removed");
  queue.add(a, "main", "left");
  queue.add(b, "main", "other");
  queue.remove(a, "main", "removed");
  queue.leave(a);
  expect(queue.take("main")?.job).toBe("other");
  queue.end("main", 1);
  expect(queue.take("main")).toBeUndefined();
});
