import type { Interval } from "./intervals";
import styles from "./Sure.module.css";

/** Of a column: from its least to its largest end, so that the whiskers of all rows can be compared. */
export interface Range {
  low: number;
  high: number;
}

interface SureProps {
  found: Interval | null;
  shown: (value: number) => string;
  range: Range;
  /** How many values there are, and how many an interval takes. */
  from?: { values: number; takes: number };
}

/** A number with its 95 % interval: as a whisker, and in words. */
export function Sure({ found, shown, range, from }: SureProps) {
  if (!found) return "–";
  return (
    <span className={styles.sure}>
      <span>{shown(found.value)}</span>
      <Whisker found={found} range={range} />
      <span className="muted small">{inWords(found, shown, from)}</span>
    </span>
  );
}

const WIDTH = 96;
const HEIGHT = 10;

function Whisker({ found, range }: { found: Interval; range: Range }) {
  const { value, low, high } = found;
  const length = range.high - range.low;
  const at = (place: number) => 2 + (length > 0 ? (place - range.low) / length : 0.5) * (WIDTH - 4);
  const middle = HEIGHT / 2;
  return (
    <svg width={WIDTH} height={HEIGHT} className={styles.whisker} aria-hidden="true">
      {low !== null && high !== null && <line x1={at(low)} x2={at(high)} y1={middle} y2={middle} />}
      {[low, high].map((end, side) => end !== null && <line key={side} x1={at(end)} x2={at(end)} y1={1} y2={HEIGHT - 1} />)}
      <circle cx={at(value)} cy={middle} r="3" />
    </svg>
  );
}

/** `210 ms to 340 ms`; what cannot be said, and why. */
export function inWords({ low, high }: Interval, shown: (value: number) => string, from?: SureProps["from"]): string {
  if (low !== null && high !== null) return `${shown(low)} to ${shown(high)}`;
  const few = from ? `too few calls (${from.values} of ${from.takes})` : "too few calls";
  if (low !== null) return `${shown(low)} or more; ${few}`;
  return high === null ? few : `${shown(high)} or less; ${few}`;
}

/** What the whiskers of a column have to hold. */
export function rangeOf(found: readonly (Interval | null)[]): Range {
  const ends = found.flatMap((one) => (one ? [one.value, one.low ?? one.value, one.high ?? one.value] : []));
  return ends.length === 0 ? { low: 0, high: 1 } : { low: Math.min(...ends), high: Math.max(...ends) };
}
