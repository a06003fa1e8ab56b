import { describe, expect, it } from "vitest";

import { difference, direction, mean, wilson } from "./intervals";

describe("wilson", () => {
  // Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("%s of %s", (events, trials, low, high) => {
    const found = wilson(events, trials);
    expect(found?.low).toBeCloseTo(low, 4);
    expect(found?.high).toBeCloseTo(high, 4);
  });
  it("says nothing of nothing", () => {
    expect(wilson(0, 0)).toBeNull();
  });
});

describe("mean", () => {
  it("has an interval of two values and more, within 0 and 1", () => {
    const found = mean(4, 3, 3);
    expect(found?.value).toBe(0.75);
    expect(found?.low).toBeCloseTo(0.26, 2);
    expect(found?.high).toBe(1);
  });
  it("is not sure of a few values that are all the same", () => {
    expect(mean(3, 3, 3)?.low).toBeCloseTo(0.438, 2);
  });
  it("knows nothing of one value but the value", () => {
    expect(mean(1, 1, 1)).toEqual({ value: 1, low: 0, high: 1 });
  });
});

it("tells a difference from chance", () => {
  // Newcombe, Interval estimation for the difference between independent proportions (1998), 56/70 and 48/80.
  const found = difference(wilson(56, 70), wilson(48, 80));
  expect(found?.low).toBeCloseTo(0.0524, 4);
  expect(found?.high).toBeCloseTo(0.3339, 4);
  expect(direction(found)).toBe("more");
  expect(direction(difference(wilson(5, 10), wilson(4, 10)))).toBe("unclear");
});

it("leaves open what rests on too few", () => {
  const few = { value: 5, low: 4, high: null };
  const many = { value: 2, low: 1.5, high: 2.5 };
  expect(difference(few, many)).toEqual({ value: 3, low: 3 - Math.hypot(1, 0.5), high: null });
  expect(direction(difference(few, many))).toBe("more");
  expect(difference(many, few)).toEqual({ value: -3, low: null, high: -3 + Math.hypot(0.5, 1) });
  expect(direction(difference(many, few))).toBe("less");
  expect(direction(difference(few, few))).toBe("unclear");
});
