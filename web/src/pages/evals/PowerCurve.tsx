import type { PowerOfScore } from "../../api/schema";
import { brief, count, percent } from "../../parts/format";
import styles from "./Power.module.css";

const [WIDTH, HEIGHT] = [440, 220];
const EDGE = { left: 44, right: 12, top: 12, bottom: 34 };

/** The chance to see the difference by cases, which grow by factors: each step to the right is as many times more. */
export function PowerCurve({ of, target }: { of: PowerOfScore; target: number }) {
  const first = of.curve[0];
  const last = of.curve.at(-1);
  if (!first || !last || first.cases === last.cases) return null;
  const [from, to] = [Math.log(first.cases), Math.log(last.cases)];
  const x = (cases: number) => EDGE.left + ((Math.log(cases) - from) / (to - from)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (power: number) => HEIGHT - EDGE.bottom - power * (HEIGHT - EDGE.top - EDGE.bottom);
  const points = of.curve.map((one) => `${x(one.cases).toFixed(1)},${y(one.power).toFixed(1)}`).join(" ");
  const here = Math.min(last.cases, Math.max(first.cases, of.power.cases));
  return (
    <figure>
      <figcaption>Chance to see it, by cases; the dot is {count(of.power.cases)} cases</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className={styles.curve} aria-hidden="true">
        {[0, 0.5, 1].map((power) => (
          <g key={power}>
            <line className={styles.axis} x1={EDGE.left} x2={WIDTH - EDGE.right} y1={y(power)} y2={y(power)} />
            <text className={styles.label} x={EDGE.left - 6} y={y(power) + 4} textAnchor="end">
              {percent(power, 0)}
            </text>
          </g>
        ))}
        <line className={styles.target} x1={EDGE.left} x2={WIDTH - EDGE.right} y1={y(target)} y2={y(target)} />
        <polyline className={styles.line} points={points} />
        <circle className={styles.here} cx={x(here)} cy={y(of.power.power)} r={5} />
        {marks(first.cases, last.cases).map((cases) => (
          <text key={cases} className={styles.label} x={x(cases)} y={HEIGHT - EDGE.bottom + 18} textAnchor="middle">
            {brief(cases)}
          </text>
        ))}
      </svg>
      <details className="small">
        <summary>Numbers</summary>
        <ul>
          {of.curve.map((one) => (
            <li key={one.cases}>
              {count(one.cases)} cases: {percent(one.power)}
            </li>
          ))}
        </ul>
      </details>
    </figure>
  );
}

/** Powers of ten between two numbers of cases. */
export function marks(from: number, to: number): number[] {
  const found = [];
  for (let cases = 10; cases <= to; cases *= 10) if (cases >= from) found.push(cases);
  return found;
}
