import { describe, expect, it } from "vitest";

import { changes } from "./words";

const without = (before: string, after: string, kind: "gone" | "new") =>
  changes(before, after)
    .filter((piece) => piece.kind !== kind)
    .map((piece) => piece.text)
    .join("");

describe("changes", () => {
  it("names the words that differ, and leaves the rest alone", () => {
    expect(changes("within 14 days, free", "within 30 days, free")).toEqual([
      { kind: "same", text: "within " },
      { kind: "gone", text: "14" },
      { kind: "new", text: "30" },
      { kind: "same", text: " days, free" },
    ]);
  });

  it.each([
    ["", ""],
    ["", "all new"],
    ["all gone", ""],
    ["a b c a b b a", "c b a b a c"],
    ["Zoë schläft 👩‍🚀 gut", "Zoë wacht 👩‍🚀 auf"],
    [" same\n words ", " same\n\n words  "],
  ])("from %j to %j both texts can be read from it", (before, after) => {
    expect(without(before, after, "new")).toBe(before);
    expect(without(before, after, "gone")).toBe(after);
  });

  it("tells very long texts as replaced, in no time", () => {
    const long = (word: string) => Array.from({ length: 20_000 }, (_, index) => `${word}${index}`).join(" ");
    expect(without(long("a"), long("b"), "gone")).toBe(long("b"));
  });
});
