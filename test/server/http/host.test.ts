import { expect, test } from "vitest";
import { hostProblem, readHostRules } from "../../../server/http/host.js";

test.each([
  ["127.0.0.1:8765", undefined],
  ["192.0.2.7", undefined],
  ["[::1]:8765", undefined],
  ["[2001:DB8::1]", undefined],
  ["[fe80::1%25eth0]:1", undefined],
  ["localhost", undefined],
  ["LocalHost:8765", undefined],
  ["localhost.:8765", undefined],
  ["masklet.localhost:1", undefined],
  ["Masklet.Example:443", undefined],
  ["masklet.example.", undefined],
  ["server.lan:8765", undefined],
  ["evil.example:8765", "forbidden"],
  ["localhost.evil.example", "forbidden"],
  ["masklet.example.evil.example", "forbidden"],
  ["127.0.0.1.evil.example", "forbidden"],
  ["notlocalhost", "forbidden"],
  ["2130706433", "forbidden"],
  ["0x7f.1", "forbidden"],
  ["", "malformed"],
  [":8765", "malformed"],
  ["a b", "malformed"],
  ["user@localhost", "malformed"],
  ["localhost@evil.example", "malformed"],
  ["localhost/evil", "malformed"],
  ["localhost:port", "malformed"],
  ["localhost:123456", "malformed"],
  ["[::1", "malformed"],
  ["[127.0.0.1]", "malformed"],
  ["::1", "malformed"],
  ["a:b:c", "malformed"],
  ["localhost, evil.example", "malformed"],
])("the Host %j is %s", (host, problem) => {
  expect(hostProblem(host, readHostRules(["masklet.example"], "Server.lan"))).toBe(problem);
});

test("* admits every name, and no malformed one", () => {
  const rules = readHostRules(["*"], "127.0.0.1");
  expect(hostProblem("evil.example", rules)).toBeUndefined();
  expect(hostProblem("evil example", rules)).toBe("malformed");
});
