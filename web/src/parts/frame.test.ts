import { expect, it } from "vitest";

import { ending, frameOf, marksIn, marksOf } from "./frame";

const HOUR = 3600e9;
const NOON = 1_795_348_800e9;
const times = [NOON, NOON + HOUR, NOON + 2 * HOUR];
const now = NOON + 2.5 * HOUR;
const released = { at_ns: now - 60e9, label: "production: a@2" };

it("ends now, with the slot that is not over, and what happened in it", () => {
  const frame = frameOf(times, now);
  expect(frame).toEqual({ since_ns: NOON, until_ns: now, open: true });
  expect(marksIn([released, { at_ns: NOON - 1e9, label: "before" }], frame)).toEqual([released]);
  expect(marksOf([released], times, 2)).toEqual([released]);
  expect(marksOf([released], times, 1)).toEqual([]);
});

it("knows slots that are over, and times without an end", () => {
  expect(frameOf(times, NOON + 3 * HOUR).open).toBe(false);
  expect(frameOf(times)).toEqual({ since_ns: NOON, until_ns: NOON + 2 * HOUR, open: false });
  expect(frameOf([NOON], now).open).toBe(true);
  expect(frameOf([NOON]).until_ns).toBeGreaterThan(NOON);
});

it("draws what is not over as a line of its own", () => {
  expect(ending([3, 4, 1], true)).toEqual({ over: [3, 4, null], open: [null, 4, 1] });
  expect(ending([3, 4, 1], false)).toEqual({ over: [3, 4, 1], open: [null, null, null] });
});
