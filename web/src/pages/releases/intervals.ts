/** How sure shares and means are, with 95 % intervals, as docs/statistics.md has them. */

export interface Interval {
  value: number;
  low: number;
  high: number;
}

const Z = 1.959963984540054;

/** Wilson's score interval of a share: it holds for few and for rare events too. Null without any trial. */
export function wilson(events: number, trials: number): Interval | null {
  if (trials <= 0) return null;
  const share = events / trials;
  const spread = Z * Z;
  const centre = (share + spread / (2 * trials)) / (1 + spread / trials);
  const half = (Z / (1 + spread / trials)) * Math.sqrt((share * (1 - share)) / trials + spread / (4 * trials * trials));
  return { value: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** Mean of values from their number, sum and sum of squares; without an interval below two. Bounded by 0 and 1. */
export function mean(count: number, total: number, squares: number): Interval | null {
  if (count <= 0) return null;
  const value = total / count;
  if (count < 2) return { value, low: 0, high: 1 };
  const variance = Math.max(0, (squares - count * value * value) / (count - 1));
  // All the same says little of a few: then the interval of a share is the careful one.
  if (variance === 0) return { value, ...bounds(wilson(value * count, count)) };
  const half = Z * Math.sqrt(variance / count);
  return { value, low: Math.max(0, value - half), high: Math.min(1, value + half) };
}

const bounds = (found: Interval | null) => ({ low: found?.low ?? 0, high: found?.high ?? 1 });

/** Difference of two independent estimates from their intervals: Newcombe's hybrid, made of the two. */
export function difference(one: Interval | null, other: Interval | null): Interval | null {
  if (!one || !other) return null;
  const value = one.value - other.value;
  return {
    value,
    low: value - Math.hypot(one.value - one.low, other.high - other.value),
    high: value + Math.hypot(one.high - one.value, other.value - other.low),
  };
}

/** What a difference means: its interval lies above 0, below it, or on both sides. */
export function direction(found: Interval | null): "more" | "less" | "unclear" {
  if (!found) return "unclear";
  return found.low > 0 ? "more" : found.high < 0 ? "less" : "unclear";
}
