import { money, time } from "../../parts/format";
import { useLeft } from "./drafts";
import styles from "./Playground.module.css";

/** What is left of the person's budget for trying. */
export function Left() {
  const { data: limit, isError } = useLeft();
  if (isError || limit === undefined) return null;
  if (limit === null) return <p className="muted small">You have spent nothing on trying today. The project gives each person a budget a day.</p>;
  const left = Math.max(0, limit.amount - limit.used - limit.held);
  return (
    <div className="small" role="status">
      {money(left)} of {money(limit.amount)} left for trying today
      {limit.held > 0 && <span className="muted"> ({money(limit.held)} set aside for what is under way)</span>}
      <meter className={styles.meter} min={0} max={limit.amount || 1} value={left} aria-label="Budget left" />
      <span className="muted">Full again {time(limit.resets_ns)}</span>
    </div>
  );
}
