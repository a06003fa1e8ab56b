import { expect, it } from "vitest";

import { spread, starts } from "./slots";

const HOUR = 3600e9;
const NOON = 1_795_348_800e9;

it("begins slots at multiples of their length, the first before the time that is asked", () => {
  expect(starts(NOON + HOUR / 2, NOON + 2.5 * HOUR, HOUR)).toEqual([NOON, NOON + HOUR, NOON + 2 * HOUR]);
});

it("puts each value into its slot, and says what has none", () => {
  const times = starts(NOON, NOON + 3 * HOUR, HOUR);
  const slots = [{ start_ns: NOON + HOUR, calls: 7 }];
  expect(spread(times, slots, (slot) => slot.calls, 0)).toEqual([0, 7, 0]);
});
