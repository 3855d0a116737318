import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolError, SERVER_LIMITS, SHARES, type ShareName } from "../../../protocol/index.js";
import { createShares, type Lease, type ShareLimits } from "../../../server/shares/shares.js";
import { createFakeClock } from "../../helpers/fake-clock.js";

const DEFAULTS = Object.fromEntries(
  Object.entries(SERVER_LIMITS).map(([name, { value }]) => [name, value]),
) as unknown as ShareLimits;

function shares(limits: Partial<ShareLimits> = {}, weights: Record<string, number> = {}) {
  const clock = createFakeClock();
  const weightOf = (owner: string) => weights[owner] ?? 1;
  return { clock, shares: createShares({ limits: { ...DEFAULTS, ...limits }, clock, weightOf }) };
}

async function heldBy(all: ReturnType<typeof createShares>, owner: string, name: ShareName): Promise<number> {
  return (await all.use(owner)).find((row) => row.name === name)?.used ?? Number.NaN;
}

function errorOf(act: () => unknown): ProtocolError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return error as ProtocolError;
  }
  throw new Error("expected an error");
}

/** Lets promises that are resolved already run their continuations. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("the table of shares", () => {
  it("gives no owner more than all owners have together", () => {
    for (const { perOwner, inAll } of Object.values(SHARES))
      expect(SERVER_LIMITS[perOwner].value).toBeLessThanOrEqual(SERVER_LIMITS[inAll].value);
  });
});

describe("take", () => {
  it("refuses one owner at its limit and still serves another", () => {
    const { shares: all } = shares({ maxSessionsPerOwner: 2, maxSessions: 3 });
    all.take("sessions", "key a");
    all.take("sessions", "key a");
    const { code, limit, retryAfterMs, message } = errorOf(() => all.take("sessions", "key a"));
    expect({ code, limit, retryAfterMs }).toEqual({
      code: "session_limit",
      limit: "maxSessionsPerOwner",
      retryAfterMs: SHARES.sessions.retryAfterMs,
    });
    expect(message).toBe("This client uses 2 of 2 sessions (maxSessionsPerOwner).");
    all.take("sessions", "key b");
    expect(errorOf(() => all.take("sessions", "key c")).limit).toBe("maxSessions");
  });

  it("reports no time to wait for a code that waiting does not cure", () => {
    const { shares: all } = shares({ maxDiskBytesPerOwner: 10 });
    const error = errorOf(() => all.take("diskBytes", "key a", 11));
    expect(error.toBody()).toEqual({
      code: "quota_exceeded",
      message: "This client uses 0 of 10 bytes (maxDiskBytesPerOwner) and this request needs 11 more.",
      retryable: false,
      limit: "maxDiskBytesPerOwner",
    });
  });

  it("counts the addresses of one IPv6 network together", () => {
    const { shares: all } = shares({ maxUploadsPerOwner: 1 });
    all.take("uploads", "address 2001:db8::1");
    expect(errorOf(() => all.take("uploads", "address 2001:db8::2")).code).toBe("upload_limit");
    all.take("uploads", "address 2001:db8:0:1::1");
  });

  it("gives everything back once, whatever the order of calls", async () => {
    const operation = fc.record({
      owner: fc.constantFrom("key a", "key b"),
      act: fc.constantFrom("take", "add", "subtract", "release"),
      amount: fc.nat(8),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const { shares: all } = shares({ maxDiskBytesPerOwner: 20, maxTotalUploadBytes: 30 });
        const leases: Record<string, Lease[]> = { "key a": [], "key b": [] };
        for (const { owner, act, amount } of operations) {
          const own = leases[owner] as Lease[];
          try {
            if (act === "take") own.push(all.take("diskBytes", owner, amount));
            else own.at(-1)?.[act](amount);
          } catch (error) {
            expect((error as ProtocolError).code).toBe("quota_exceeded");
          }
          if (act === "release") own.pop();
          for (const [name, held] of Object.entries(leases)) {
            const sum = held.reduce((bytes, lease) => bytes + lease.amount, 0);
            expect(await heldBy(all, name, "diskBytes")).toBe(sum);
            expect(sum).toBeLessThanOrEqual(20);
          }
        }
        for (const lease of Object.values(leases).flat()) {
          lease.release();
          lease.release();
          lease.subtract(5);
        }
        expect((await all.total()).find(({ name }) => name === "diskBytes")?.used).toBe(0);
      }),
    );
  });
});

describe("wait", () => {
  it("serves the owner that holds the least first, and urgent requests before all", async () => {
    const { shares: all } = shares({ maxProbesPerOwner: 3, maxProbes: 3 });
    const first = [all.take("probes", "key a"), all.take("probes", "key a"), all.take("probes", "key b")];
    const served: string[] = [];
    const waiting = (["key a", "key b", "key c"] as const).map((owner) =>
      all.wait("probes", owner).then(() => served.push(owner)),
    );
    waiting.push(all.wait("probes", "key a", { urgent: true }).then(() => served.push("urgent")));
    await settle();
    expect(served).toEqual([]);
    for (const lease of first) {
      lease.release();
      await settle();
    }
    expect(served.slice(0, 2)).toEqual(["urgent", "key c"]);
  });

  it("divides places by the weights of the owners", async () => {
    const { shares: all } = shares({ maxProbesPerOwner: 6, maxProbes: 6 }, { "key b": 2 });
    const blocker = Array.from({ length: 6 }, () => all.take("probes", "key z"));
    const counts = { "key a": 0, "key b": 0 };
    for (let n = 0; n < 10; n++)
      for (const owner of ["key a", "key b"] as const)
        void all.wait("probes", owner).then(() => counts[owner]++);
    for (const lease of blocker) lease.release();
    await settle();
    expect(counts).toEqual({ "key a": 2, "key b": 4 });
  });

  it("lets small requests pass a large one for a bounded time only", async () => {
    const { shares: all, clock } = shares({ maxPictureBytesPerOwner: 10, maxPictureBytes: 10 });
    const small = await all.wait("pictureBytes", "key a", { amount: 4 });
    let isServed = false;
    void all.wait("pictureBytes", "key b", { amount: 10 }).then(() => {
      isServed = true;
    });
    const passing = await all.wait("pictureBytes", "key c", { amount: 4 });
    clock.advance(5000);
    let late: Lease | undefined;
    void all.wait("pictureBytes", "key d", { amount: 1 }).then((lease) => {
      late = lease;
    });
    await settle();
    expect(late).toBeUndefined();
    small.release();
    passing.release();
    await settle();
    expect(isServed).toBe(true);
    expect(late).toBeUndefined();
  });

  it("gives a request for more than the limit the whole limit", async () => {
    const { shares: all } = shares({ maxPictureBytesPerOwner: 10, maxPictureBytes: 20 });
    expect((await all.wait("pictureBytes", "key a", { amount: 1000 })).amount).toBe(10);
  });

  it("ends with server_busy, with the signal, and frees its place in the line", async () => {
    const { shares: all, clock } = shares({ maxProbesPerOwner: 1, maxProbes: 1 });
    const lease = await all.wait("probes", "key a");
    const busy = all.wait("probes", "key b", { maxWaitMs: 100 });
    const abort = new AbortController();
    const aborted = all.wait("probes", "key c", { signal: abort.signal });
    const reason = new Error("the client has gone");
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    clock.advance(100);
    await expect(busy).rejects.toMatchObject({ code: "server_busy", limit: "maxProbes", retryAfterMs: 2000 });
    lease.release();
    expect((await all.total()).find(({ name }) => name === "probes")?.used).toBe(0);
    (await all.wait("probes", "key d")).release();
  });

  it("bounds the requests of one owner that wait", async () => {
    const { shares: all } = shares({ maxProbesPerOwner: 1, maxProbes: 2 });
    all.take("probes", "key a");
    for (let n = 0; n < 256; n++) all.wait("probes", "key a").catch(() => {});
    await expect(all.wait("probes", "key a")).rejects.toMatchObject({ code: "server_busy" });
    await all.wait("probes", "key b");
  });
});

describe("countRequest", () => {
  it("refuses an owner, with the time until its next minute, and still serves another", async () => {
    const { shares: all } = shares({ maxRequestsPerMinutePerOwner: 2, maxRequestsPerMinute: 3 });
    await all.countRequest("key a");
    await all.countRequest("key a");
    const error = await all.countRequest("key a").catch((cause: ProtocolError) => cause);
    expect(error).toMatchObject({ code: "rate_limit", limit: "maxRequestsPerMinutePerOwner" });
    expect(error?.retryAfterMs).toBeGreaterThan(0);
    expect(error?.retryAfterMs).toBeLessThanOrEqual(60_000);
    await all.countRequest("key b");
    await expect(all.countRequest("key b")).rejects.toMatchObject({ limit: "maxRequestsPerMinute" });
  });
});
