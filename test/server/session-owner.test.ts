import { expect, test } from "vitest";
import { ownerOfAddress } from "../../server/session-owner.js";

test.each([
  ["127.0.0.1", "address loopback"],
  ["127.8.9.10", "address loopback"],
  ["::1", "address loopback"],
  ["::ffff:127.0.0.1", "address loopback"],
  ["::FFFF:192.0.2.7", "address 192.0.2.7"],
  ["192.0.2.7", "address 192.0.2.7"],
  ["2001:db8::1", "address 2001:db8::1"],
  [undefined, "address unknown"],
])("the owner of a connection from %s is %s", (address, owner) => {
  expect(ownerOfAddress(address)).toBe(owner);
});
