// @vitest-environment jsdom
import { expect, it } from "vitest";

import type { Assignment } from "../../api/schema";
import { replaced } from "./Changes";
import { goesBackTo, newRelease, share } from "./queries";
import { slotsOf, windowSince } from "./spans";
import { stretches } from "./WhereServed";

const all = (sequence: number, release: string): Assignment => ({
  environment: "production",
  prompt: "p",
  sequence,
  arms: [{ release }],
  actor: "Ada",
  reason: "",
  created_ns: sequence * 1000,
  strategy: "all",
  progress: "closed",
  experiment: "",
  shadow: null,
  overridden: [],
  replaces: [],
  returns_to: 0,
});

const canary: Assignment = {
  ...all(2, ""),
  arms: [
    { release: "new", weight: 20, name: "canary" },
    { release: "old", weight: 80, name: "stable" },
  ],
  strategy: "canary",
  progress: "open",
  replaces: [{ release: "old" }],
};

it("knows what an assignment is about", () => {
  expect(newRelease(all(1, "old"))).toBe("old");
  expect(newRelease(canary)).toBe("new");
  expect(goesBackTo(canary)).toBe("old");
  expect(goesBackTo(all(1, "old"))).toBe("");
  expect(canary.arms.map((arm) => share(canary, arm))).toEqual([0.2, 0.8]);
});

it("knows which release another took the place of, whatever came after", () => {
  const history = [all(5, "new"), all(4, "other"), all(3, "new"), canary, all(1, "old")];
  expect(replaced([history], "new")).toBe("old");
  expect(replaced([history], "old")).toBe("");
});

it("knows when a release was served", () => {
  const found = stretches([all(3, "new"), canary, all(1, "old")], "old");
  expect(found.map(({ part, until_ns }) => [part, until_ns])).toEqual([
    ["80 %", 3000],
    ["100 %", 2000],
  ]);
});

it("cuts time as the API does", () => {
  const now = Date.UTC(2026, 10, 22, 10, 30, 20);
  const found = slotsOf({ window: "1h" }, now);
  expect(found.times).toHaveLength(60);
  expect(found.times.at(-1)).toBe(Date.UTC(2026, 10, 22, 10, 30) * 1e6);
  expect(found.since_ns).toBe(found.times[0]);
  expect(windowSince((now - 2 * 3600_000) * 1e6, now)).toBe("6h");
  expect(windowSince(0, now)).toBe("7d");
});

it("cuts a time that is over so that each slot has some calls", () => {
  const [from, until] = [Date.UTC(2026, 10, 17, 9, 7), Date.UTC(2026, 10, 17, 12)];
  const found = slotsOf({ window: "24h", from, until }, Date.UTC(2026, 10, 22));
  expect(found).toMatchObject({ since_ns: from * 1e6, until_ns: until * 1e6, step_ns: 300e9 });
  expect(found.times[0]).toBe(Date.UTC(2026, 10, 17, 9, 5) * 1e6);
  expect(found.times.at(-1)).toBe(Date.UTC(2026, 10, 17, 11, 55) * 1e6);
  const [long, now] = [Date.UTC(2026, 5, 1), Date.UTC(2026, 10, 22)];
  expect(slotsOf({ window: "24h", from: long }, now).times.length).toBeLessThan(100);
});
