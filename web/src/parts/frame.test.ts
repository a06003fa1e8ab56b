import { expect, it } from "vitest";

import { divided, frameOf, marksIn, marksOf, wholeness } from "./frame";

const HOUR = 3600e9;
const NOON = 1_795_348_800e9;
const times = [NOON, NOON + HOUR, NOON + 2 * HOUR];
const now = NOON + 2.5 * HOUR;
const released = { at_ns: now - 60e9, label: "production: a@2" };

it("ends now, with the slot that is not over, and what happened in it", () => {
  const frame = frameOf(times, NOON, now);
  expect(frame).toEqual({ since_ns: NOON, until_ns: now, cut: false, open: true });
  expect(marksIn([released, { at_ns: NOON - 1e9, label: "before" }], frame)).toEqual([released]);
  expect(marksOf([released], times, 2)).toEqual([released]);
  expect(marksOf([released], times, 1)).toEqual([]);
});

it("knows slots that are over, and times without an end", () => {
  expect(frameOf(times, NOON, NOON + 3 * HOUR).open).toBe(false);
  expect(frameOf(times)).toEqual({ since_ns: NOON, until_ns: NOON + 2 * HOUR, cut: false, open: false });
  expect(frameOf([NOON], NOON, now).open).toBe(true);
  expect(frameOf([NOON]).until_ns).toBeGreaterThan(NOON);
});

it("knows a first slot of which only the end was asked for", () => {
  expect(frameOf(times, NOON + 0.9 * HOUR, now)).toEqual({ since_ns: NOON, until_ns: now, cut: true, open: true });
  expect(frameOf(times, NOON + 200, now).cut).toBe(false);
});

it("draws slots that are not whole as a line of its own", () => {
  expect(divided([3, 4, 1], { cut: false, open: true })).toEqual({ whole: [3, 4, null], part: [null, 4, 1] });
  expect(divided([1, 4, 5, 3], { cut: true, open: false })).toEqual({ whole: [null, 4, 5, 3], part: [1, 4, null, null] });
  expect(divided([1, 4, 5, 5, 1], { cut: true, open: true })).toEqual({ whole: [null, 4, 5, 5, null], part: [1, 4, null, 5, 1] });
  expect(divided([3, 4, 1], { cut: false, open: false })).toEqual({ whole: [3, 4, 1], part: [null, null, null] });
});

it("says of a first and a last slot that they are not whole, and of no other", () => {
  const said = (frame: Parameters<typeof wholeness>[2], past: boolean) => times.map((_, index) => wholeness(index, times.length, frame, past));
  expect(said(frameOf(times, NOON + 0.9 * HOUR, now), false)).toEqual(["in part", "", "so far"]);
  expect(said(frameOf(times, NOON + 0.9 * HOUR, now), true)).toEqual(["in part", "", "in part"]);
  expect(said(frameOf(times, NOON, NOON + 3 * HOUR), false)).toEqual(["", "", ""]);
});

it("knows the length of an only slot that is told", () => {
  expect(frameOf([NOON], NOON, NOON + HOUR, HOUR).open).toBe(false);
  expect(frameOf([NOON], NOON, NOON + HOUR / 2, HOUR).open).toBe(true);
});
