import type { Score } from "../../api/schema";
import { money } from "../../parts/format";
import { Json } from "../../parts/Json";
import styles from "./Opinions.module.css";

/** What each scorer said of an answer, and why. */
export function Opinions({ scores }: { scores: readonly Score[] }) {
  if (scores.length === 0) return <p className="muted">Nothing was scored.</p>;
  return (
    <ul className={styles.list}>
      {scores.map((one) => (
        <li key={one.name}>
          <span className="row">
            <strong>{one.name}</strong> <ScoreValue score={one} />
            {one.cost > 0 && <span className="muted small">{money(one.cost)}</span>}
          </span>
          {one.reason && <p className={styles.reason}>{one.reason}</p>}
          {Object.keys(one.evidence).length > 0 && (
            <details className="small">
              <summary>What it rests on</summary>
              <Json value={one.evidence} />
            </details>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Its value, or why there is none. */
export function ScoreValue({ score }: { score: Score | undefined }) {
  if (!score) return <span className="muted">–</span>;
  if (score.status === "not_run") return <span className="muted">not run</span>;
  if (score.status === "error" || score.value == null) return <span className="bad">✕ error</span>;
  return <span className={score.value < 0.5 ? "number bad" : "number"}>{score.value.toFixed(2)}</span>;
}
