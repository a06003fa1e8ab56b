import type { LimitState } from "../../api/schema";

const DAY_MS = 86_400_000;

/** Used and held, of the amount. */
export const usedShare = (state: LimitState): number => (state.amount > 0 ? (state.used + state.held) / state.amount : 1);

/** Where a counter comes to when the window goes on as it went so far. */
export interface Pace {
  /** Of the amount, when the window ends. */
  share: number;
  /** When it is full, Unix nanoseconds; 0: not in this window. */
  full_ns: number;
}

/** Of days and months, once a twentieth of the window is over: before that one call would say too much. Null else. */
export function paceOf(state: LimitState, now_ms: number): Pace | null {
  const ends_ms = state.resets_ns / 1e6;
  const began_ms = state.window === "day" ? ends_ms - DAY_MS : state.window === "month" ? monthBefore(ends_ms) : 0;
  const gone = (now_ms - began_ms) / (ends_ms - began_ms);
  if (!began_ms || gone < 0.05 || gone > 1 || state.amount <= 0) return null;
  const share = state.used / state.amount / gone;
  if (state.used >= state.amount) return { share, full_ns: now_ms * 1e6 };
  return { share, full_ns: share > 1 ? (began_ms + (ends_ms - began_ms) / share) * 1e6 : 0 };
}

/** Start of the month that ends at this moment, whatever the time zone it is counted in. */
function monthBefore(ends_ms: number): number {
  // The end is the first of a month somewhere: half a day later or earlier it is still told by its neighbours.
  const near = new Date(ends_ms + DAY_MS / 2);
  const days = new Date(Date.UTC(near.getUTCFullYear(), near.getUTCMonth(), 0)).getUTCDate();
  return ends_ms - days * DAY_MS;
}
