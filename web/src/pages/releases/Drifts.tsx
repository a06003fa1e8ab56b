import type { Drift } from "../../api/schema";

/** How what is served has left its ground, and what to do about it. */
export function Drifts({ drift }: { drift: readonly Drift[] }) {
  if (drift.length === 0) return null;
  return (
    <details className="small">
      <summary className="warn">
        ! {drift.length === 1 ? "1 warning" : `${drift.length} warnings`}: {[...new Set(drift.map((one) => one.kind))].join(", ")}
      </summary>
      <ul style={{ paddingLeft: 18 }}>
        {drift.map((one) => (
          <li key={`${one.release} ${one.kind} ${one.message}`}>
            {one.version}: {one.message} <span className="muted">{one.remedy}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
