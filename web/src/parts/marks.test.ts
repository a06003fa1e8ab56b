import { expect, it } from "vitest";

import { pieces } from "./marks";

it("cuts where markings begin and end, counting characters beyond the first plane once", () => {
  const found = pieces("😀 ada@x.org!", [{ start: 2, end: 11, label: "email" }]);
  expect(found).toEqual([
    { text: "😀 ", labels: [] },
    { text: "ada@x.org", labels: ["email"] },
    { text: "!", labels: [] },
  ]);
});

it("keeps overlapping labels, and the whole text when places are wrong", () => {
  const found = pieces("abcdef", [
    { start: 0, end: 4, label: "a" },
    { start: 2, end: 99, label: "b" },
  ]);
  expect(found.map((one) => one.text).join("")).toBe("abcdef");
  expect(found[1]).toEqual({ text: "cd", labels: ["a", "b"] });
});
