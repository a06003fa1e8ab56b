import { describe, expect, it } from "vitest";

import { ago, change, DOLLAR, duration, money, moneyColumn, percent } from "./format";

describe("money", () => {
  it.each([
    [null, "–"],
    [0, "$0"],
    [1_234_500_000_000_000, "$1,234.50"],
    [12_300_000_000, "$0.0123"],
    [250_000_000_000, "$0.25"],
    [4_500_000, "$0.0000045"],
  ])("%s picodollars are %s", (nanos, shown) => {
    expect(money(nanos)).toBe(shown);
  });
});

describe("money of a column", () => {
  const shown = (dollars: (number | null)[]) => {
    const picos = dollars.map((one) => one && one * DOLLAR);
    return picos.map(moneyColumn(picos));
  };
  it("stands digit below digit, as the smallest amount needs", () => {
    expect(shown([0.326, 0.07108, 0.00103, 0, null])).toEqual(["$0.32600", "$0.07108", "$0.00103", "$0.00000", "–"]);
    expect(shown([12.5, 3])).toEqual(["$12.50", "$3.00"]);
  });
  it("does not grow long for what is far smaller than the rest", () => {
    expect(shown([1234.5, 0.0000045])).toEqual(["$1,234.50", "<$0.01"]);
  });
  it("has two digits where nothing was spent", () => {
    expect(shown([0, null])).toEqual(["$0.00", "–"]);
  });
});

describe("duration", () => {
  it.each([
    [null, "–"],
    [45_000, "45 µs"],
    [312e6, "312 ms"],
    [1.24e9, "1.24 s"],
    [90e9, "1.5 min"],
  ])("%s ns are %s", (ns, shown) => {
    expect(duration(ns)).toBe(shown);
  });
});

describe("change", () => {
  it.each([
    [112, 100, "+12 %"],
    [97, 100, "−3.0 %"],
    [1, 0, ""],
    [null, 3, ""],
  ])("from %s to %s", (now, before, shown) => {
    expect(change(now, before)).toBe(shown);
  });
});

it("says how long ago something was", () => {
  const now = 1_000_000_000_000;
  expect(ago((now - 3 * 60_000) * 1e6, now)).toBe("3 min ago");
  expect(ago(0, now)).toBe("never");
  expect(percent(0.1234)).toBe("12.3 %");
});
