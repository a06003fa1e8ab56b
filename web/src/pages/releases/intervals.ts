/** How sure numbers are, with 95 % intervals, as docs/statistics.md has them. */

export interface Interval {
  value: number;
  /** Null, each: too few values to say. */
  low: number | null;
  high: number | null;
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

/**
 * Difference of two independent estimates from their intervals, which need not be symmetrical: Newcombe's hybrid, as Zou
 * and Donner (Statistics in Medicine 27, 2008) have it for any two. An end that rests on an unknown one is unknown.
 */
export function difference(one: Interval | null, other: Interval | null): Interval | null {
  if (!one || !other) return null;
  const value = one.value - other.value;
  const low = apart(one.value, one.low, other.value, other.high);
  const high = apart(one.value, one.high, other.value, other.low);
  return { value, low: low === null ? null : value - low, high: high === null ? null : value + high };
}

function apart(one: number, end: number | null, other: number, far: number | null): number | null {
  return end === null || far === null ? null : Math.hypot(one - end, far - other);
}

/** What a difference means: its interval lies above 0, below it, or on both sides. */
export function direction(found: Interval | null): "more" | "less" | "unclear" {
  if (!found) return "unclear";
  if (found.low !== null && found.low > 0) return "more";
  return found.high !== null && found.high < 0 ? "less" : "unclear";
}
