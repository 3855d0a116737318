import { describe, expect, it } from "vitest";
import { holderOf } from "../../../server/shares/holder.js";

describe("holderOf", () => {
  it.each([
    ["address 2001:db8:1:2::1", "address 2001:db8:1:2/64"],
    ["address 2001:db8:1:2:ffff:ffff:ffff:ffff", "address 2001:db8:1:2/64"],
    ["address 2001:DB8:0001:0002:0:0:0:9", "address 2001:db8:1:2/64"],
    ["address 2001:db8::", "address 2001:db8:0:0/64"],
    ["address 64:ff9b::192.0.2.1", "address 64:ff9b:0:0/64"],
    ["address fe80::1%eth0", "address fe80:0:0:0/64"],
  ])("puts %s into the network %s", (owner, holder) => {
    expect(holderOf(owner)).toBe(holder);
  });

  it.each(["address 192.0.2.1", "address loopback", "address unknown", "key 2001:db8::1", "library"])(
    "leaves %s as it is",
    (owner) => {
      expect(holderOf(owner)).toBe(owner);
    },
  );
});
