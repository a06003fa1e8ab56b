import { expect, it } from "vitest";

import type { Measures } from "../../api/schema";
import { lines, MEASURES, rows } from "./armData";
import { inWords as windowInWords } from "./Rules";
import { inWords, rangeOf } from "./Sure";

const measured = (arm: string, slot_ns: number, high: number | null): Measures => ({
  group: [arm],
  slot_ns,
  calls: 20,
  errors: 1,
  error_rate: { value: 0.05, low: 0.01, high: 0.24 },
  timed: 19,
  p50_ns: { value: 5, low: 4, high: 6 },
  p95_ns: { value: 9, low: 7, high },
  priced: 20,
  cost: null,
});
const answers = {
  times: [60, 120, 180], since_ns: 0, until_ns: 0, past: false,
  totals: [measured("canary", 0, null)],
  series: [measured("canary", 60, 12), measured("canary", 180, null)],
  scores: [],
  scored: [],
};

it("has a row for an arm that nobody called", () => {
  const [canary, stable] = rows(["canary", "stable"], answers);
  expect(canary?.p95).toEqual({ value: 9, low: 7, high: null });
  expect([canary?.timed, canary?.cost]).toEqual([19, null]);
  expect([stable?.calls, stable?.errors, stable?.p50]).toEqual([0, null, null]);
});

it("draws a band only where both ends are known", () => {
  const [line] = lines(["canary"], (arm) => arm, answers, MEASURES.p95);
  expect(line?.values).toEqual([9, null, 9]);
  expect(line?.band).toEqual({ low: [7, null, null], high: [12, null, null] });
  expect(lines(["canary"], (arm) => arm, answers, MEASURES.calls)[0]?.band).toBeUndefined();
  expect(lines(["canary"], (arm) => arm, answers, MEASURES.cost)[0]?.band).toBeUndefined();
});

it("says when there are too few calls", () => {
  const shown = (value: number) => `${value} ms`;
  expect(inWords({ value: 5, low: 4, high: 6 }, shown)).toBe("4 ms to 6 ms");
  expect(inWords({ value: 9, low: 7, high: null }, shown, { values: 19, takes: 72 })).toBe("7 ms or more; too few calls (19 of 72)");
  expect(inWords({ value: 9, low: null, high: null }, shown, { values: 3, takes: 6 })).toBe("too few calls (3 of 6)");
  expect(rangeOf([{ value: 5, low: 4, high: null }, null, { value: 9, low: null, high: 12 }])).toEqual({ low: 4, high: 12 });
});

it("says when nothing new may come", () => {
  const window = { reason: "weekend", days: [], from: "00:00", until: "24:00", first: null, last: null, timezone: "UTC" };
  expect(windowInWords(window)).toBe("weekend: always UTC");
  expect(windowInWords({ ...window, days: ["fri"], from: "16:00", timezone: "Europe/Berlin" })).toBe("weekend: fri, 16:00 to 24:00 Europe/Berlin");
  expect(windowInWords({ ...window, first: "2026-12-20", last: "2027-01-02" })).toBe("weekend: 2026-12-20 to 2027-01-02, all day UTC");
});
