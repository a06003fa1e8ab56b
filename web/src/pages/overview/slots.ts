/** Slots of time: the API leaves out those without calls. */

/** Starts of all slots between two times, in Unix nanoseconds; slots begin at multiples of their length. */
export function starts(since_ns: number, until_ns: number, step_ns: number): number[] {
  const found: number[] = [];
  // In seconds: nanoseconds since 1970 are more than a number holds exactly.
  const [since, until, step] = [since_ns, until_ns, step_ns].map((ns) => ns / 1e9) as [number, number, number];
  for (let at = Math.floor(since / step) * step; at < until; at += step) found.push(at * 1e9);
  return found;
}

/** The value of each slot, or `none` of one that is absent. */
export function spread<Slot extends { start_ns: number }, Value>(
  times: readonly number[],
  slots: readonly Slot[],
  value: (slot: Slot) => Value,
  none: Value,
): Value[] {
  const known = new Map(slots.map((slot) => [Math.round(slot.start_ns / 1e9), slot]));
  return times.map((ns) => {
    const slot = known.get(Math.round(ns / 1e9));
    return slot ? value(slot) : none;
  });
}
