import { expect, it } from "vitest";

import { releasable, unmerged } from "./unmerged";

const version = (number: string, waits: readonly string[] | null) => ({ version: number, digest: "", releasable: waits === null, branches: [...(waits ?? [])] });

it("keeps apart what can be released and what is not merged, with why", () => {
  const prompt = { versions: [version("1.0.0", null), version("1.1.0", ["propose/support-answer-1.1.0"]), version("1.2.0", ["topic"]), version("1.3.0", [])] };
  expect(releasable(prompt).map((one) => one.version)).toEqual(["1.0.0"]);
  expect(unmerged(prompt)).toBe("1.1.0 proposed, not merged; 1.2.0 not merged from topic; 1.3.0 on no branch any more");
});

it("says nothing where all is merged", () => {
  expect(unmerged({ versions: [version("1.0.0", null)] })).toBe("");
});
