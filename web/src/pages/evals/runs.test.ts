import { describe, expect, it } from "vitest";

import type { Run } from "../../api/schema";
import { apart, bounds, person, signed, subject, word } from "./runs";

const run = (parts: Partial<Run>): Run =>
  ({ suite: "support", suite_digest: "a", dataset_digest: "b", prompt: "support/answer", version: "1.0.0", status: "finished", verdict: "", ...parts }) as Run;

describe("runs", () => {
  it("are named after what answered", () => {
    expect(subject(run({}))).toBe("support/answer@1.0.0");
    expect(subject(run({ prompt: "", version: "", target: "app/bot.py:answer" }))).toBe("app/bot.py:answer");
  });

  it("say their verdict, or how far they came", () => {
    expect(word(run({ verdict: "pass" }))).toBe("pass");
    expect(word(run({ status: "stopped" }))).toBe("stopped");
  });

  it("are of people, without their addresses", () => {
    expect([person("Ada L <ada@example.org>"), person("ada@example.org"), person("")]).toEqual(["Ada L", "ada@example.org", ""]);
  });

  it("compare when they measured the same on the same cases to the end", () => {
    expect(apart(run({}), run({ version: "1.1.0", status: "stopped" }))).toBe("");
    expect(apart(run({}), run({ suite: "smoke" }))).toMatch(/different suites/);
    expect(apart(run({}), run({ suite_digest: "x" }))).toMatch(/scorers/);
    expect(apart(run({ dataset_digest: "x" }), run({}))).toMatch(/different cases/);
    expect(apart(run({}), run({ status: "running" }))).toMatch(/not finished/);
  });
});

describe("numbers", () => {
  it("have a sign when they are differences, but zero has none", () => {
    expect([signed(0.0333), signed(-0.1), signed(0), signed(-0.0001)]).toEqual(["+0.033", "−0.100", "0.000", "0.000"]);
  });

  it("that are not known are a dash", () => {
    expect(bounds(null, null)).toBe("–");
    expect(bounds(0.5, 0.75)).toBe("0.500 to 0.750");
    expect(bounds(-0.1, 0.2, signed)).toBe("−0.100 to +0.200");
  });
});
