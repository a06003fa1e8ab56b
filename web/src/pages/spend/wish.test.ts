import { describe, expect, it } from "vitest";

import type { LimitRule, LimitState } from "../../api/schema";
import { NEW, dollars, fullest, isBelow, isWhole, typedOf, wishOf } from "./wish";

const RULE: LimitRule = {
  limit: "tenant-month",
  per: ["tenant"],
  match: { feature: ["chat", "a, b"] },
  measure: "money",
  amount: 250e12,
  window: "month",
  action: "reject",
  warn_at: [0.8, 0.955],
  timezone: "Europe/Berlin",
  place: "moat.yaml:24",
};

const counter = (used: number, held = 0): LimitState => ({
  limit: "tenant-month",
  of: {},
  measure: "money",
  window: "month",
  action: "reject",
  amount: 250e12,
  used,
  held,
  resets_ns: 0,
  timezone: "UTC",
  pace: null,
});

describe("a limit in a form", () => {
  it("comes out as it went in", () => {
    expect(wishOf("tenant-month", typedOf(RULE))).toEqual({
      limit: "tenant-month",
      rule: {
        name: "tenant-month",
        per: ["tenant"],
        match: { feature: ["chat", "a, b"] },
        money: "250.00",
        window: "month",
        action: "reject",
        warn_at: [0.8, 0.955],
        timezone: "Europe/Berlin",
      },
    });
  });

  it("of each call or of calls at one time has no window on a clock", () => {
    expect(typedOf({ ...RULE, measure: "tokens", amount: 8000, window: "" }).window).toBe("request");
    expect(wishOf("", { ...typedOf({ ...RULE, measure: "concurrent", amount: 4, window: "" }), match: { user: " \n" } }).rule).toMatchObject({
      concurrent: 4,
      window: "month",
      match: {},
    });
  });

  it("for trying prompts is an amount alone", () => {
    expect(wishOf("console-playground", { ...NEW, amount: " 7.50 " })).toEqual({ per_day: "7.50" });
  });

  it("is asked for once it has a name and an amount", () => {
    expect(isWhole({ ...NEW, name: "a" })).toBe(false);
    expect(isWhole({ ...NEW, name: "a", amount: "0" })).toBe(true);
  });
});

it("money is typed in dollars, however little", () => {
  expect([0, 25e12, 0.5e12, 0.29e12, 1e8, 1234567.89e12].map(dollars)).toEqual(["0.00", "25.00", "0.50", "0.29", "0.0001", "1234567.89"]);
  expect([1e6, 1e5, 123, 1].map(dollars)).toEqual(["0.000001", "0.0000001", "0.000000000123", "0.000000000001"]);
});

it("an amount below what is used is noticed, of the fullest counter and the same measure", () => {
  const most = fullest("tenant-month", [counter(1e12), counter(2e12, 2e12), { ...counter(9e12), limit: "other" }]);
  expect(most?.held).toBe(2e12);
  expect(isBelow({ ...NEW, amount: "3.99" }, counter(2e12, 2e12))).toBe(true);
  expect(isBelow({ ...NEW, amount: "4" }, counter(2e12, 2e12))).toBe(false);
  expect(isBelow({ ...NEW, amount: "1", measure: "tokens" }, counter(2e12))).toBe(false);
  expect(fullest("none", [])).toBeUndefined();
});
