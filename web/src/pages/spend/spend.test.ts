import { expect, it } from "vitest";

import type { Spend } from "../../api/schema";
import { following, readFilters } from "./dimensions";
import { trend } from "./trend";

it("reads filters from an address, and nothing else", () => {
  expect(readFilters({ tenant: "acme", user: 42, by: "feature", model: "", other: "x" })).toEqual({ tenant: "acme", user: "42" });
});

it("asks next for what is not narrowed yet", () => {
  expect(following("tenant", {})).toBe("feature");
  expect(following("environment", { tenant: "acme" })).toBe("feature");
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
