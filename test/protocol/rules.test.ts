/** The numbered rules of PROTOCOL.md: ids are unique and complete, and ascend within a section. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const document = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

interface Rule {
  topic: string;
  number: number;
  section: string;
}

const rules: Rule[] = document.split(/\n(?=#{2,4} )/).flatMap((section) =>
  [...section.matchAll(/\*\*\[([A-Z])-(\d+)\]\*\*/g)]
    .map(([, topic = "", number]) => ({
      topic,
      number: Number(number),
      section: section.split("\n")[0] ?? "",
    }))
    // The introduction shows an id as an example.
    .filter(() => !section.startsWith("# ")),
);
const topics = [...new Set(rules.map(({ topic }) => topic))];
const numbersOf = (topic: string) => rules.filter((rule) => rule.topic === topic).map(({ number }) => number);

describe("the rules of PROTOCOL.md", () => {
  it("are found", () => {
    expect(rules.length).toBeGreaterThan(200);
  });

  it.each(topics)("number the topic %s without a gap or a repetition", (topic) => {
    const numbers = numbersOf(topic).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it("ascend within each section", () => {
    const last = new Map<string, number>();
    const wrong = rules.filter(({ topic, number, section }) => {
      const before = last.get(`${section} ${topic}`) ?? 0;
      last.set(`${section} ${topic}`, number);
      return number <= before;
    });
    expect(wrong).toEqual([]);
  });

  it("have topics that the introduction lists", () => {
    const listed = [...document.matchAll(/^\| `([A-Z])` \| /gm)].map(([, topic]) => topic);
    expect(topics.sort()).toEqual(listed.sort());
  });
});
