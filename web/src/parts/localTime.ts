/** Days and hours on the reader's own clock. Times are Unix nanoseconds. */

/** The reader's time zone, an IANA name: the API cuts days by it. */
export const timezone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

const HOUR_MS = 3_600_000;

/** When the day began that is so many days before today. */
export const midnight = (now: Date, back = 0): number => new Date(now.getFullYear(), now.getMonth(), now.getDate() - back).getTime() * 1e6;

/** The same time of the day, so many days before. */
export const daysBefore = (now: Date, back: number): number =>
  new Date(now.getFullYear(), now.getMonth(), now.getDate() - back, now.getHours(), now.getMinutes(), now.getSeconds()).getTime() * 1e6;

/**
 * Starts of all slots between two times, as the API cuts them with the reader's time zone: those longer than an hour
 * at multiples on the local clock, whatever it does in between; shorter ones in elapsed time.
 */
export function localStarts(since_ns: number, until_ns: number, step_ns: number): number[] {
  const [step, until, first] = [step_ns / 1e6, until_ns / 1e6, new Date(since_ns / 1e6)];
  // What the local clock shows, counted as if it were UTC's, which has no changes.
  const shown = Date.UTC(first.getFullYear(), first.getMonth(), first.getDate(), first.getHours(), first.getMinutes(), first.getSeconds());
  const wall = Math.floor(shown / step) * step;
  const begun = first.getTime() - (shown - wall) - first.getMilliseconds();
  const startOf = (slot: number) => (step <= HOUR_MS ? begun + slot * step : instant(wall + slot * step));
  const found: number[] = [];
  for (let slot = 0; startOf(slot) < until; slot += 1) found.push(startOf(slot) * 1e6);
  return found;
}

/** When the local clock shows a time. */
function instant(wall: number): number {
  const at = new Date(wall);
  return new Date(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes()).getTime();
}
