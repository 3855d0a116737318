import { describe, expect, test } from "vitest";
import { FIXED_LIMITS } from "../../../protocol/index.js";
import { createFailedKeys } from "../../../server/keys/failed-keys.js";
import { createKey, digestOf } from "../../../server/keys/key.js";
import { keyLine, parseKeyLines } from "../../../server/keys/key-lines.js";
import { createKeys } from "../../../server/keys/keys.js";

const first = createKey();
const second = createKey();
const linesOf = (...lines: string[]) => parseKeyLines(lines.join("\n"), "The test");

describe("a key", () => {
  test("has 256 random bits in a form that programs recognise", () => {
    expect(first).toMatch(/^masklet_[A-Za-z0-9_-]{43}$/);
    expect(first).not.toBe(second);
    expect(digestOf(first)).toHaveLength(32);
  });

  test.each([
    "",
    "hunter2",
    "masklet_",
    `${first} `,
    ` ${first}`,
    first.slice(0, -1),
    `${first}a`,
    first.replace("_", "-"),
  ])("is never text of another form: %j", (text) => {
    expect(digestOf(text)).toBeUndefined();
  });
});

describe("createKeys", () => {
  test("finds the owner of a key, and only of its keys", () => {
    const keys = createKeys(linesOf(keyLine("ann", first), keyLine("bob", second, 4)));
    expect(keys.find(first)).toMatchObject({ owner: "key ann", name: "ann" });
    expect(keys.find(second)).toMatchObject({ owner: "key bob" });
    expect(keys.find(createKey())).toBeUndefined();
    expect(keys.find("")).toBeUndefined();
    expect([keys.weightOf("key ann"), keys.weightOf("key bob"), keys.weightOf("address 192.0.2.1")]).toEqual([
      1, 4, 1,
    ]);
    expect(keys.summary()).toBe("2 keys of 2 owners");
  });

  test("two keys of one owner are the same owner, and one weight applies", () => {
    const keys = createKeys(linesOf(keyLine("ann", first), keyLine("ann", second, 2)));
    expect(keys.find(first)?.owner).toBe(keys.find(second)?.owner);
    expect(keys.weightOf("key ann")).toBe(2);
    expect(keys.summary()).toBe("2 keys of 1 owner");
  });

  test("reports the removal of a key once, and of no other key", () => {
    const keys = createKeys(linesOf(keyLine("ann", first), keyLine("ann", second)));
    const removed: string[] = [];
    keys.find(first)?.onRemoved(() => removed.push("first"));
    keys.find(second)?.onRemoved(() => removed.push("second"));
    keys.find(first)?.onRemoved(() => removed.push("forgotten"))();
    keys.replace(linesOf(keyLine("ann", second), keyLine("cid", createKey())));
    keys.replace(linesOf(keyLine("ann", second)));
    expect(removed).toEqual(["first"]);
    expect(keys.find(first)).toBeUndefined();
    keys.replace(linesOf(keyLine("cid", first)));
    expect(removed).toEqual(["first", "second"]);
  });

  test("a key that moves to another owner is removed from the earlier one", () => {
    const keys = createKeys(linesOf(keyLine("ann", first)));
    let isRemoved = false;
    keys.find(first)?.onRemoved(() => {
      isRemoved = true;
    });
    keys.replace(linesOf(keyLine("bob", first)));
    expect(isRemoved).toBe(true);
    expect(keys.find(first)?.owner).toBe("key bob");
  });
});

describe("createFailedKeys", () => {
  const limit = FIXED_LIMITS.failedKeysPerMinute.value;

  test("counts each address by itself, and IPv6 addresses by their network", async () => {
    const failedKeys = createFailedKeys();
    for (let failed = 0; failed < limit; failed++) {
      expect(await failedKeys.count(`2001:db8::${failed}`)).toBeUndefined();
    }
    expect(await failedKeys.count("2001:0db8:0:0::ffff")).toBeGreaterThan(0);
    expect(await failedKeys.count("2001:db8:0:1::1")).toBeUndefined();
    expect(await failedKeys.count("192.0.2.1")).toBeUndefined();
    expect(await failedKeys.count(undefined)).toBeUndefined();
  });
});
