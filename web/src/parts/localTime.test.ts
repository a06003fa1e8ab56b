import { afterEach, describe, expect, it } from "vitest";

import { daysBefore, localStarts, midnight } from "./localTime";

const before = process.env["TZ"];
afterEach(() => {
  process.env["TZ"] = before;
});

const HOUR = 3600e9;
const DAY = 24 * HOUR;
const utc = (text: string) => Date.parse(`${text}Z`) * 1e6;
const hours = (times: readonly number[]) => times.slice(1).map((at, index) => (at - (times[index] ?? 0)) / HOUR);

describe.each([
  ["Europe/Vienna", "2026-10-23T22:00", [24, 25, 24]],
  ["America/New_York", "2026-10-31T04:00", [24, 25, 24]],
  ["Asia/Kolkata", "2026-10-23T18:30", [24, 24, 24]],
  ["Africa/Cairo", "2026-04-22T22:00", [24, 23, 24]],
])("in %s", (zone, since, lengths) => {
  it("cuts days at midnight, across a change of clocks", () => {
    process.env["TZ"] = zone;
    const from = utc(since);
    const days = localStarts(from, from + 3.5 * DAY, DAY);
    expect(days[0]).toBe(from);
    expect(hours(days).slice(0, 3)).toEqual(lengths);
    expect(midnight(new Date((days[3] ?? 0) / 1e6 + 3_600_000), 3)).toBe(from);
  });

  it("cuts full hours of the local clock", () => {
    process.env["TZ"] = zone;
    const times = localStarts(utc(since) + HOUR / 3, utc(since) + 2 * DAY, HOUR);
    expect(times[0]).toBe(utc(since));
    expect(new Set(hours(times))).toEqual(new Set([1]));
  });
});

it("knows the same time of the day before clocks changed", () => {
  process.env["TZ"] = "Europe/Vienna";
  expect(daysBefore(new Date("2026-10-26T12:00:00Z"), 7)).toBe(utc("2026-10-19T11:00"));
});
