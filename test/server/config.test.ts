import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { readConfig, variableOf } from "../../server/config.js";

test("serves the embedded pack on the loopback address when nothing is said", () => {
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

test("reads variables, lists among them", () => {
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

test("lets an option win over its variable", () => {
  expect(readConfig({ port: 1 }, { MASKLET_PORT: "2" }).port).toBe(1);
});

test("names variable, value and expectation of a bad variable", () => {
  expect(() => readConfig({}, { MASKLET_PORT: "http" })).toThrow(
    "MASKLET_PORT is http; expected a whole number from 0 to 65535.",
  );
  expect(() => readConfig({}, { MASKLET_LOG_LEVEL: "loud" })).toThrow(
    /^MASKLET_LOG_LEVEL is loud; expected fatal, /,
  );
});

test.each([
  [{ port: 1.5 }, /^port is 1.5; expected a whole number/],
  [{ port: 70000 }, /^port is 70000; expected a whole number from 0 to 65535/],
  [{ host: "" }, /^host is ""; expected a host name/],
  [{ providers: [] }, /^providers is \[\]; expected at least one/],
  [{ idleTimeoutMs: Number.NaN }, /^idleTimeoutMs is .*; expected a whole number/],
  [{ prot: 1 } as object, /^There is no setting prot\.$/],
])("refuses %j", (options, message) => {
  expect(() => readConfig(options, {})).toThrow(message);
});

test("derives the variables' names from the settings'", () => {
  expect(variableOf("maxSessionsPerConnection")).toBe("MASKLET_MAX_SESSIONS_PER_CONNECTION");
});
