import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { asField, boundsOf, drawn, isPast, lengthOf, periodOf, readPeriod, stepOf, typedPeriod, words } from "./period";

const zone = process.env["TZ"];
beforeEach(() => {
  process.env["TZ"] = "UTC";
});
afterEach(() => {
  process.env["TZ"] = zone;
});

const KNOWN = ["24h", "7d", "today", "all"] as const;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const at = (text: string) => Date.parse(text);
const NOW = at("2026-11-22T10:30:20Z");
const [NINE, NOON] = [at("2026-11-17T09:00Z"), at("2026-11-17T12:00Z")];
const between = (from: number, until?: number) => periodOf({ from, until }, "24h");

describe("an address", () => {
  it("names a window, or a beginning and an end, and what it goes back to", () => {
    expect(readPeriod({ window: "7d" }, KNOWN)).toEqual({ window: "7d" });
    expect(readPeriod({ window: "7d", from: String(NINE), until: NOON }, KNOWN)).toEqual({ window: "7d", from: NINE, until: NOON });
    expect(readPeriod({ from: NINE }, KNOWN)).toEqual({ from: NINE });
    expect(periodOf({}, "24h")).toEqual({ window: "24h" });
  });

  it.each([
    { window: "30d" },
    { window: 7 },
    { window: ["24h"] },
    { until: NOON },
    { from: NOON, until: NINE },
    { from: NOON, until: NOON },
    { from: NINE, until: "noon" },
    { from: 0, until: NOON },
    { from: -5 },
    { from: 1.5 },
    { from: 1e30 },
    { from: "1e400" },
    { from: NINE, until: Number.MAX_SAFE_INTEGER },
    { from: NINE, until: "" },
    { from: { $gt: 0 } },
    { from: null },
  ])("says nothing with %j", (search) => {
    expect(readPeriod(search, KNOWN)).toEqual({});
  });
});

describe("at a moment", () => {
  it("a window begins with a whole minute, and ends now", () => {
    expect(boundsOf(periodOf({}, "24h"), NOW)).toEqual({ since_ns: at("2026-11-21T10:30Z") * 1e6 });
    expect(boundsOf(periodOf({}, "all"), NOW)).toEqual({});
    expect(lengthOf(periodOf({}, "all"), NOW)).toBeUndefined();
    expect(isPast(periodOf({}, "24h"), NOW)).toBe(false);
  });

  it("a beginning and an end are what they are, to the nanosecond", () => {
    expect(boundsOf(between(NINE, NOON), NOW)).toEqual({ since_ns: NINE * 1e6, until_ns: NOON * 1e6 });
    expect(lengthOf(between(NINE, NOON), NOW)).toBe(3 * HOUR);
    expect(isPast(between(NINE, NOON), NOW)).toBe(true);
  });

  it("what is to come has no length", () => {
    expect(lengthOf(between(NOW - HOUR, NOW + 5 * HOUR), NOW)).toBe(HOUR);
    expect(lengthOf(between(NOW - HOUR), NOW)).toBe(HOUR);
    expect(isPast(between(NOW - HOUR, NOW + HOUR), NOW)).toBe(false);
  });

  it.each([
    ["Europe/Vienna", "2026-10-25T20:00Z", "2026-10-24T22:00Z", 25],
    ["America/New_York", "2026-11-02T04:30Z", "2026-11-01T04:00Z", 25],
    ["Africa/Cairo", "2026-04-24T20:30Z", "2026-04-23T22:00Z", 23],
  ])("in %s today begins at midnight, also on a day of %s", (name, now, since, hours) => {
    process.env["TZ"] = name;
    expect(boundsOf(periodOf({}, "today"), at(now))).toEqual({ since_ns: at(since) * 1e6 });
    const begun = new Date(at(since));
    const next = new Date(begun.getFullYear(), begun.getMonth(), begun.getDate() + 1).getTime();
    expect(lengthOf(between(at(since), next), NOW)).toBe(hours * HOUR);
  });
});

describe("in words", () => {
  it("is what people say", () => {
    expect(words(periodOf({}, "24h"), NOW)).toBe("Last 24 hours");
    expect(words(between(NINE, NOON), NOW)).toBe("Tue 17 Nov 09:00 to 12:00");
    expect(words(between(NINE, at("2026-11-18T00:00Z")), NOW)).toBe("Tue 17 Nov 09:00 to Wed 18 Nov 00:00");
    expect(words(between(NINE), NOW)).toBe("Since Tue 17 Nov 09:00");
    expect(words(between(NINE + 1500, NOON), NOW)).toBe("Tue 17 Nov 09:00:01 to 12:00");
    expect(words(between(at("2025-12-31T23:00Z"), at("2026-01-01T01:00Z")), NOW)).toBe("Wed 31 Dec 2025 23:00 to Thu 1 Jan 01:00");
  });

  it("tells two times of the day apart that a change of clocks made one", async () => {
    process.env["TZ"] = "Europe/Vienna";
    vi.resetModules();
    const there = await import("./period");
    expect(there.words(between(at("2026-10-25T00:30Z"), at("2026-10-25T01:30Z")), NOW)).toBe("Sun 25 Oct 02:30 GMT+2 to 02:30 GMT+1");
  });
});

it("gives a chart slots that people know how to read, 60 at most", () => {
  const steps = [MINUTE, HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR, 300 * 24 * HOUR].map((length) => stepOf(length) / 1e6 / MINUTE);
  expect(steps).toEqual([1, 1, 60, 360, 1440, 5 * 1440]);
});

it("makes whole minutes of what was drawn", () => {
  expect(drawn((NINE + 59_999) * 1e6, (NOON - 1) * 1e6)).toEqual({ from: NINE, until: NOON });
  expect(drawn(NINE * 1e6, NINE * 1e6)).toEqual({ from: NINE, until: NINE + MINUTE });
});

describe("what was typed", () => {
  it.each(["UTC", "Europe/Vienna", "Asia/Kolkata", "America/St_Johns"])("is on the reader's clock: %s", (name) => {
    process.env["TZ"] = name;
    const [from, until] = [new Date(2026, 9, 25, 1, 15).getTime(), new Date(2026, 9, 26, 0, 0).getTime()];
    expect(asField(from)).toBe("2026-10-25T01:15");
    expect(typedPeriod(asField(from), asField(until), NOW)).toEqual({ from, until });
  });

  it("is a time, though clocks leave it out", () => {
    process.env["TZ"] = "Europe/Vienna";
    expect(typedPeriod("2026-03-29T02:30", "2026-03-29T04:00", NOW)).toEqual({ from: at("2026-03-29T01:30Z"), until: at("2026-03-29T02:00Z") });
  });

  it.each([
    ["", "2026-11-17T09:00", "from", "Write a date"],
    ["2026-11-17T09:00", "", "until", "Write a date"],
    ["2026-11-17T09:00", "yesterday", "until", "Write a date"],
    ["275760-01-01T00:00", "2026-11-17T09:00", "from", "Write a date"],
    ["2026-11-17T09:00", "2026-11-17T09:00", "until", "later than the beginning"],
    ["2026-11-17T09:00", "2026-11-16T09:00", "until", "later than the beginning"],
    ["2026-11-23T09:00", "2026-11-24T09:00", "from", "not come yet"],
    ["2026-08-01T00:00", "2026-11-17T09:00", "from", "90 days"],
  ])("from %j until %j is wrong at its %s: %s", (from, until, field, message) => {
    expect(typedPeriod(from, until, NOW, 90 * 24 * HOUR)).toMatchObject({ field, message: expect.stringContaining(message) as unknown });
  });

  it("goes on until now without an end", () => {
    expect(typedPeriod("2026-11-22T09:00", null, NOW, 24 * HOUR)).toEqual({ from: at("2026-11-22T09:00Z"), until: undefined });
    expect(typedPeriod("2026-08-01T00:00", null, NOW, 24 * HOUR)).toMatchObject({ field: "from" });
    expect(typedPeriod("2026-11-23T09:00", null, NOW)).toMatchObject({ field: "from" });
  });

  it("may end later than now", () => {
    expect(typedPeriod("2026-11-22T09:00", "2026-11-23T00:00", NOW, 24 * HOUR)).toEqual({ from: at("2026-11-22T09:00Z"), until: at("2026-11-23T00:00Z") });
  });
});
