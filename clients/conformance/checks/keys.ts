/** A: keys and owners. */
import { type Check, check } from "../check.js";
import type { Lab } from "../lab.js";
import { expectSame, expectThat, NotTried } from "../verdicts.js";

/** Of the right form, but no key of any server. */
const INVALID = `masklet_${"A".repeat(43)}`;

const hasKeys = async (lab: Lab) => (await lab.http("/v1/uploads/none", { withoutKey: true })).status === 401;

/** @throws NotTried on a server without keys */
async function requireKeys(lab: Lab): Promise<string> {
  if (!(await hasKeys(lab))) throw new NotTried("this server has no keys");
  const { key } = lab.options;
  if (key === undefined) throw new NotTried("the check needs a key");
  return key;
}

/** Without the header, as web pages connect. */
const withoutKey = (lab: Lab) => lab.connect({ withoutKey: true });

export const keyChecks: Check[] = [
  check("keys over HTTP", "A-1 A-5", async (lab, verify) => {
    await verify("A-1", async () => {
      const key = await requireKeys(lab);
      for (const path of ["/v1/uploads/none", "/v1/saved/none", "/metrics"]) {
        const { status, body } = await lab.http(path, { withoutKey: true });
        expectSame([status, body.error?.code], [401, "unauthenticated"], `${path} without a key`);
      }
      const basic = await lab.http("/metrics", {
        withoutKey: true,
        headers: { authorization: `Basic ${btoa(`anyone:${key}`)}` },
      });
      expectSame(basic.status, 200, "/metrics with the key as the password");
      for (const path of ["/livez", "/readyz", "/healthz"])
        expectSame((await lab.http(path, { withoutKey: true })).status, 200, `${path} without a key`);
    });
    await verify("A-5", async () => {
      const key = await requireKeys(lab);
      for (const name of ["key", "api_key", "apikey", "token", "access_token"]) {
        const { status, body } = await lab.http(`/metrics?${name}=${key}`);
        expectSame([status, body.error?.code], [401, "unauthenticated"], `a key in the query as ${name}`);
      }
    });
  }),

  check("keys over a WebSocket", "A-2 A-3 A-10", async (lab, verify) => {
    await verify("A-2", async () => {
      const key = await requireKeys(lab);
      const probe = await withoutKey(lab);
      const answer = await probe.ok({ type: "authenticate", key });
      expectThat(typeof answer.owner === "string", "the answer has no owner");
      await probe.settled();
    });
    await verify("A-3", async () => {
      await requireKeys(lab);
      const probe = await withoutKey(lab);
      await probe.fails({ type: "get_server" }, "unauthenticated");
      expectSame(await probe.closed, 4401, "the close code");
    });
    await verify("A-10", async () => {
      await requireKeys(lab);
      const probe = await withoutKey(lab);
      await probe.fails({ type: "authenticate", key: INVALID }, "unauthenticated");
      expectSame(await probe.closed, 4401, "the close code");
    });
  }),

  check("a server without keys", "A-9", async (lab, verify) => {
    await verify("A-9", async () => {
      if (await hasKeys(lab)) throw new NotTried("this server has keys");
      const probe = await lab.connect({ headers: { authorization: `Bearer ${INVALID}` } });
      await probe.ok({ type: "authenticate", key: INVALID });
      await probe.settled();
      expectSame(
        (await lab.http("/metrics", { headers: { authorization: `Bearer ${INVALID}` } })).status,
        200,
        "/metrics",
      );
    });
  }),
];
