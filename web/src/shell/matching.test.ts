import { expect, test } from "vitest";

import { matching } from "./matching";
import { PLACES, SUB_PLACES } from "./places";

const ENTRIES = [...PLACES, ...SUB_PLACES, { label: "Roll back support/answer in production", about: "To 1.0.0", words: "rollback" }];
const found = (text: string) => matching(ENTRIES, text).map(({ label }) => label);

test.each([
  ["keys", "Keys"],
  ["audit", "Audit log"],
  ["spend", "Spend"],
  ["budgets", "Budgets and limits"],
  ["run", "Runs"],
  ["rollback", "Roll back support/answer in production"],
  ["roll back prod", "Roll back support/answer in production"],
  ["  LIVE ", "Live calls"],
])("%j means %s first", (text, label) => {
  expect(found(text)[0]).toBe(label);
});

test("what is only said of a page comes after what is called so", () => {
  expect(found("keys")).toEqual(["Keys", "Spend"]);
});

test("nothing is meant by a word that is nowhere", () => {
  expect(found("keys nowhere")).toEqual([]);
});

test("no text means all, in their order", () => {
  expect(found("")).toHaveLength(ENTRIES.length);
  expect(found("")[0]).toBe("Overview");
});
