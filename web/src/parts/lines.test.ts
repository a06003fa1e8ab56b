import { describe, expect, it } from "vitest";

import { excerpt, lines } from "./lines";

describe("lines that differ", () => {
  it("can be put together to both texts", () => {
    const [before, now] = ["a\nb\nc\nd", "a\nx\nc\nd\ne"];
    const found = lines(before, now);
    expect(found.filter((line) => line.kind !== "new").map((line) => line.text)).toEqual(before.split("\n"));
    expect(found.filter((line) => line.kind !== "gone").map((line) => line.text)).toEqual(now.split("\n"));
    expect(found.filter((line) => line.kind === "same")).toHaveLength(3);
  });

  it("are shown with what is around them, and gaps", () => {
    const text = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const found = excerpt(lines(text.join("\n"), text.with(10, "other").join("\n")), 1);
    expect(found.map((line) => line?.kind ?? null)).toEqual([null, "same", "gone", "new", "same", null]);
    expect(excerpt(lines("same", "same"))).toEqual([]);
  });
});
