/** How much of the past charts of arms show, and how finely. */
import { type Period, WINDOWS as KNOWN, boundsOf, isFixed } from "../../parts/period";
import { starts } from "../overview/slots";

export const WINDOWS = ["1h", "6h", "24h", "7d"] as const;
export type Window = (typeof WINDOWS)[number];

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Up to which length slots are how long: fewer than a hundred of them, so that each has some calls. Milliseconds. */
const FINE = [
  { most: KNOWN["1h"].ms, step: MINUTE },
  { most: KNOWN["6h"].ms, step: 5 * MINUTE },
  { most: KNOWN["24h"].ms, step: 20 * MINUTE },
  { most: KNOWN["7d"].ms, step: 180 * MINUTE },
  { most: 45 * DAY, step: 720 * MINUTE },
];

/** Slots of a time, as the API counts them: multiples of their length in UTC. Unix nanoseconds. */
export interface Slots {
  times: number[];
  step_ns: number;
  since_ns: number;
  /** As far as it has come. */
  until_ns: number;
}

/** The slots of a time at a moment. A window holds whole slots, the present one as the last. */
export function slotsOf(period: Period<Window>, now: number): Slots {
  const bounds = boundsOf(period, now);
  const until = Math.min((bounds.until_ns ?? Infinity) / 1e6, now);
  const length = isFixed(period) ? until - (bounds.since_ns ?? 0) / 1e6 : KNOWN[period.window].ms;
  const step = FINE.find(({ most }) => most >= length)?.step ?? Math.ceil(length / 90 / DAY) * DAY;
  const since_ns = isFixed(period) ? (bounds.since_ns ?? 0) : (Math.floor(now / step) * step - length + step) * 1e6;
  return { times: starts(since_ns, until * 1e6, step * 1e6), step_ns: step * 1e6, since_ns, until_ns: until * 1e6 };
}

/** The window that shows the most of what began at this moment: the shortest that holds it. */
export function windowSince(began_ns: number, now: number): Window {
  return WINDOWS.find((one) => KNOWN[one].ms >= now - began_ns / 1e6) ?? "7d";
}
