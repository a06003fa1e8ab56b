import styles from "./Whisker.module.css";

const WIDTH = 132;
const HEIGHT = 18;
const EDGE = 5;

export interface WhiskerProps {
  value: number | null | undefined;
  low: number | null | undefined;
  high: number | null | undefined;
  /** What the ends of the scale are. */
  from?: number;
  to?: number;
  /** What is demanded: a line to be right of. */
  bound?: number | null;
  /** Where nothing would have changed: a faint line. */
  zero?: boolean;
}

/** A number with its interval on a scale: a dot with whiskers. The numbers themselves stand beside it. */
export function Whisker({ value, low, high, from = 0, to = 1, bound, zero = false }: WhiskerProps) {
  if (value == null) return null;
  const at = (number: number) => EDGE + ((Math.min(to, Math.max(from, number)) - from) / (to - from)) * (WIDTH - 2 * EDGE);
  const middle = HEIGHT / 2;
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden="true" className={styles.whisker}>
      <line className={styles.scale} x1={EDGE} x2={WIDTH - EDGE} y1={middle} y2={middle} />
      {zero && <line className={styles.scale} x1={at(0)} x2={at(0)} y1={1} y2={HEIGHT - 1} />}
      {bound != null && <line className={styles.bound} x1={at(bound)} x2={at(bound)} y1={1} y2={HEIGHT - 1} />}
      {low != null && high != null && (
        <>
          <line className={styles.reach} x1={at(low)} x2={at(high)} y1={middle} y2={middle} />
          <line className={styles.reach} x1={at(low)} x2={at(low)} y1={middle - 4} y2={middle + 4} />
          <line className={styles.reach} x1={at(high)} x2={at(high)} y1={middle - 4} y2={middle + 4} />
        </>
      )}
      <circle className={styles.dot} cx={at(value)} cy={middle} r={4} />
    </svg>
  );
}
