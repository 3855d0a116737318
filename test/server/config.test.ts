import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { SERVER_LIMITS } from "../../protocol/index.js";
import { readConfig, type ServerOptions, variableOf } from "../../server/config.js";

test("uses the embedded pack and the loopback address by default", () => {
  const config = readConfig({}, {});
  expect(config).toMatchObject({
    host: "127.0.0.1",
    port: 8765,
    providers: ["cpu"],
    mediaRoots: [process.cwd()],
  });
  expect(existsSync(join(config.packDir, "manifest.json"))).toBe(true);
  expect(Object.isFrozen(config)).toBe(true);
});

test("reads environment variables, including lists", () => {
  const config = readConfig(
    {},
    {
      MASKLET_PORT: "0",
      MASKLET_PACK: "/packs/big",
      MASKLET_MEDIA_ROOTS: `/a${delimiter}/b`,
      MASKLET_ALLOWED_ORIGINS: "https://a.example, https://b.example",
      MASKLET_MAX_UPLOAD_BYTES: "1000",
      MASKLET_HOST: "",
    },
  );
  expect(config).toMatchObject({
    port: 0,
    packDir: "/packs/big",
    mediaRoots: ["/a", "/b"],
    allowedOrigins: ["https://a.example", "https://b.example"],
    maxUploadBytes: 1000,
    host: "127.0.0.1",
  });
});

test("prefers an option over its variable", () => {
  expect(readConfig({ port: 1 }, { MASKLET_PORT: "2" }).port).toBe(1);
});

test("reports variable, value and expectation of an invalid variable", () => {
  expect(() => readConfig({}, { MASKLET_PORT: "http" })).toThrow(
    "MASKLET_PORT is http; expected a whole number from 0 to 65535.",
  );
  expect(() => readConfig({}, { MASKLET_LOG_LEVEL: "loud" })).toThrow(
    /^MASKLET_LOG_LEVEL is loud; expected fatal, /,
  );
});

test.each(Object.entries(SERVER_LIMITS))("makes the limit %s a setting with a variable", (name, limit) => {
  const setting = name as keyof typeof SERVER_LIMITS;
  const variable = variableOf(name);
  expect(readConfig({}, {})[setting]).toBe(limit.value);
  expect(readConfig({}, { [variable]: String(limit.min) })[setting]).toBe(limit.min);
  expect(() => readConfig({}, { [variable]: String(limit.min - 1) })).toThrow(
    `${variable} is ${limit.min - 1}; expected a whole number from ${limit.min} to `,
  );
  expect(() => readConfig({ [name]: "many" } as ServerOptions, {})).toThrow(`${name} is "many"; expected`);
});

test.each([
  [{ port: 1.5 }, /^port is 1.5; expected a whole number/],
  [{ port: 70000 }, /^port is 70000; expected a whole number from 0 to 65535/],
  [{ host: "" }, /^host is ""; expected a host name/],
  [{ providers: [] }, /^providers is \[\]; expected at least one/],
  [{ idleTimeoutMs: Number.NaN }, /^idleTimeoutMs is NaN; expected a whole number/],
  // Node fires a timer with a longer delay at once.
  [{ idleTimeoutMs: 2 ** 31 }, /^idleTimeoutMs is 2147483648; expected a whole number from 1 to 2147483647/],
  [{ prot: 1 } as object, /^There is no setting prot\.$/],
])("refuses %j", (options, message) => {
  expect(() => readConfig(options, {})).toThrow(message);
});

test("derives the names of variables from the names of settings", () => {
  expect(variableOf("maxSessionsPerOwner")).toBe("MASKLET_MAX_SESSIONS_PER_OWNER");
});
