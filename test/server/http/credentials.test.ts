import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { readCredentials } from "../../../server/http/credentials.js";

function read(url: string, ...authorization: string[]) {
  const headersDistinct = authorization.length > 0 ? { authorization } : {};
  return readCredentials({ url, headersDistinct } as unknown as IncomingMessage);
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

describe("readCredentials", () => {
  test.each([
    ["Bearer secret", "secret"],
    ["bearer secret", "secret"],
    ["BEARER   secret ", "secret"],
    ["Bearer\tsecret", "secret"],
    ["Bearer", ""],
    [basic("ann:secret"), "secret"],
    [basic(":secret"), "secret"],
    [basic("ann:se:cr:et"), "se:cr:et"],
    [basic("ann"), ""],
    [basic("ann:sécret"), "sécret"],
    ["basic !!!", ""],
    ["Basic", ""],
  ])("reads the key of %j", (header, key) => {
    expect(read("/metrics", header)).toEqual({ key });
  });

  test("reports that there is no key", () => {
    expect(read("/metrics?filename=key")).toEqual({ key: undefined });
  });

  test.each(["Digest username=secret", "secret", "", "Negotiate", "BearerX secret"])(
    "rejects the scheme of %j without repeating it",
    (header) => {
      expect(read("/metrics", header)).toEqual({
        problem: "Authorization: expected the scheme Bearer or Basic.",
      });
    },
  );

  test("reads the key of another header where a path has one, unless Authorization is there", () => {
    const request = (headers: Record<string, string[]>, header?: string) =>
      readCredentials({ url: "/", headersDistinct: headers } as unknown as IncomingMessage, header);
    expect(request({ token: ["secret"] }, "token")).toEqual({ key: "secret" });
    expect(request({ token: ["secret"] })).toEqual({ key: undefined });
    expect(request({ token: [""] }, "token")).toEqual({ key: undefined });
    expect(request({ token: ["one"], authorization: ["Bearer two"] }, "token")).toEqual({ key: "two" });
    expect(request({ token: ["secret", "secret"] }, "token")).toEqual({
      problem: "token: expected one header, got 2.",
    });
  });

  test("rejects two headers, also when both contain the same key", () => {
    expect(read("/", "Bearer a", "Bearer a")).toEqual({
      problem: "Authorization: expected one header, got 2.",
    });
  });

  test.each([
    ["/v1?key=secret", "key"],
    ["/v1?a=b&TOKEN=secret", "token"],
    ["/v1?access_token=secret#x", "access_token"],
    ["http://localhost/v1?api_key=secret", "api_key"],
    ["/v1?%6bey=secret", "key"],
    ["/v1?key", "key"],
  ])("rejects a key in the query of %j without repeating it", (url, name) => {
    for (const credentials of [read(url), read(url, "Bearer secret")]) {
      expect(credentials.problem).toContain(`not as ?${name}=`);
      expect(credentials.problem).not.toContain("secret");
    }
  });

  test("accepts other names in the query, and broken escapes", () => {
    expect(read("/v1/uploads?filename=key.mp4&keys=1", "Bearer a")).toEqual({ key: "a" });
    expect(read("/v1?%zz=%", "Bearer a")).toEqual({ key: "a" });
  });
});
