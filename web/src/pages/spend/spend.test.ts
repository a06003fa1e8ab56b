import { describe, expect, it } from "vitest";

import type { LimitState, Spend } from "../../api/schema";
import { following, readFilters } from "./dimensions";
import { paceOf } from "./pace";
import { trend } from "./trend";

it("reads filters from an address, and nothing else", () => {
  expect(readFilters({ tenant: "acme", user: 42, by: "feature", model: "", other: "x" })).toEqual({ tenant: "acme", user: "42" });
});

it("asks next for what is not narrowed yet", () => {
  expect(following("tenant", {})).toBe("feature");
  expect(following("environment", { tenant: "acme" })).toBe("feature");
});

const state = (window: string, used: number, ends_ms: number): LimitState => ({
  limit: "l",
  of: {},
  measure: "money",
  window,
  action: "reject",
  amount: 100,
  used,
  held: 0,
  resets_ns: ends_ms * 1e6,
  timezone: "UTC",
});

describe("pace", () => {
  const day = Date.UTC(2026, 10, 22);
  const hour = 3600_000;
  it("tells when a budget will be full", () => {
    expect(paceOf(state("day", 50, day), day - 18 * hour)).toEqual({ share: 2, full_ns: (day - 12 * hour) * 1e6 });
  });
  it("tells what will be used at the end", () => {
    expect(paceOf(state("day", 10, day), day - 12 * hour)).toEqual({ share: 0.2, full_ns: 0 });
  });
  it("knows how long a month is", () => {
    const december = Date.UTC(2026, 11, 1);
    expect(paceOf(state("month", 10, december), december - 15 * 24 * hour)?.share).toBeCloseTo(0.2, 9);
  });
  it("is silent where it would be a guess", () => {
    expect(paceOf(state("day", 10, day), day - 23.9 * hour)).toBeNull();
    expect(paceOf(state("minute", 10, day), day - 30_000)).toBeNull();
  });
});

it("draws the dearest groups and all others together, days without cost too", () => {
  const sums = (group: string, slot_ns: number, cost: number) => ({ group: [group], slot_ns, cost }) as Spend;
  const groups = [7, 6, 5, 4, 3, 2, 1].map((cost) => sums(`g${cost}`, 0, cost));
  const daily = groups.map((one) => ({ ...one, slot_ns: 20 }));
  const { times, series } = trend(daily, groups, [10, 20], (group) => group);
  expect(times).toEqual([10, 20]);
  expect(series.map((one) => [one.label, one.values])).toEqual([
    ["g7", [0, 7]],
    ["g6", [0, 6]],
    ["g5", [0, 5]],
    ["g4", [0, 4]],
    ["g3", [0, 3]],
    ["2 others", [0, 3]],
  ]);
});
