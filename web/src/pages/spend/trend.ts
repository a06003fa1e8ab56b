import type { Spend } from "../../api/schema";
import type { Series } from "../../parts/Chart";
import { DAY, stepOf } from "../../parts/period";

const HOUR = 3_600_000;
/** Up to here a chart of hours can be read, from there on one of days is. In milliseconds. */
const HOURS = 60 * HOUR;
const DAYS = 92 * DAY;

/** Length of the slots of so long a time (milliseconds), in nanoseconds: of days where there are some, as bills are. */
export const pointOf = (length: number): number => (length > HOURS && length <= DAYS ? DAY * 1e6 : stepOf(length));

/** `Cost by the day`. */
export function costBy(step_ns: number): string {
  const minutes = Math.round(step_ns / 60e9);
  if (minutes === 60) return "Cost by the hour";
  if (minutes === 1440) return "Cost by the day";
  if (minutes > 1440) return `Cost of ${minutes / 1440} days each`;
  return minutes === 1 ? "Cost by the minute" : `Cost of ${minutes} minutes each`;
}

/** Groups with a line of their own; the others share one. */
export const MOST_LINES = 5;

/** Lines of the groups that cost most, dearest first, and one of all others. */
export function trend(daily: readonly Spend[], groups: readonly Spend[], slots: readonly number[], name: (group: string) => string): { times: number[]; series: Series[] } {
  // Days without a request cost nothing, and are days all the same.
  const times = [...new Set([...slots, ...daily.map((one) => one.slot_ns)])].sort((a, b) => a - b);
  const dearest = [...groups].sort((a, b) => b.cost - a.cost).map((one) => one.group[0] ?? "");
  const own = dearest.slice(0, dearest.length === MOST_LINES + 1 ? MOST_LINES + 1 : MOST_LINES);
  const cost = (belongs: (group: string) => boolean) =>
    times.map((at) => daily.reduce((sum, one) => (one.slot_ns === at && belongs(one.group[0] ?? "") ? sum + one.cost : sum), 0));
  const series: Series[] = own.map((group) => ({ label: name(group), values: cost((one) => one === group) }));
  if (dearest.length > own.length) {
    series.push({ label: `${dearest.length - own.length} others`, values: cost((one) => !own.includes(one)), dashed: true });
  }
  return { times, series };
}
