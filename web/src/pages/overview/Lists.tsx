import { Link } from "@tanstack/react-router";

import type { Alert, Budget, Forecast, ReleaseMark } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, brief, money, percent, time } from "../../parts/format";
import { By } from "../releases/By";
import styles from "./Lists.module.css";

/** Alerts that fire now, whatever time the page shows; nothing when none does. */
export function Firing({ alerts, past }: { alerts: readonly Alert[]; past: boolean }) {
  if (alerts.length === 0) return null;
  return (
    <section className={`panel stack ${styles.firing}`} aria-label="Alerts">
      <h2>
        <Badge tone="bad">{alerts.length} firing{past && " now"}</Badge>
      </h2>
      <ul>
        {alerts.map((alert) => (
          <li key={alert.rule + JSON.stringify(alert.labels)}>
            <strong>{alert.rule}</strong>{" "}
            {Object.entries(alert.labels)
              .map(([name, value]) => `${name} ${value}`)
              .join(", ")}
            : {brief(alert.value)} past {brief(alert.bar)}, since {ago(alert.since_ns)} {alert.muted && <span className="muted">({alert.muted})</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What is left of budgets, the fullest first, and what the month will cost: now, whatever time the page shows. */
export function Budgets({ budgets, forecast, past }: { budgets: readonly Budget[]; forecast: Forecast; past: boolean }) {
  return (
    <section className="panel stack" aria-label="Budgets">
      <h2>{past ? "Budgets, as they are now" : "Budgets"}</h2>
      <p className="muted">
        {forecast.month}: {money(forecast.spent)} so far
        {forecast.expected !== null && `, ${money(forecast.expected)} expected at its end`}
        {forecast.low !== null && ` (${money(forecast.low)} to ${money(forecast.high)} in 80 of 100 months)`}
      </p>
      {budgets.length === 0 && <p>
          There are none. They stand under <code>limits</code> in moat.yaml, for any of key, tenant, feature, user and model.
        </p>}
      {budgets.map((budget) => (
        <BudgetLine key={budget.limit + JSON.stringify(budget.of)} budget={budget} />
      ))}
    </section>
  );
}

function BudgetLine({ budget }: { budget: Budget }) {
  const amount = (value: number) => (budget.measure === "money" ? money(value) : brief(value));
  const share = budget.used / Math.max(1, budget.amount);
  const over = budget.projected !== null && budget.projected > budget.amount;
  const whose = Object.entries(budget.of).map(([scope, value]) => `${scope} ${value}`).join(", ");
  return (
    <div className={styles.budget}>
      <div className="row spread">
        <span>
          <strong>{budget.limit}</strong> <span className="muted">{whose || "the whole service"}</span>
        </span>
        <span className="number">
          {amount(budget.amount - budget.used)} of {amount(budget.amount)} left
        </span>
      </div>
      <meter aria-label={`${budget.limit} ${whose}: used`} min={0} max={1} high={0.8} optimum={0} value={Math.min(1, share)} />
      <span className="small muted">
        {percent(share)} used, resets {time(budget.resets_ns)}
        {over && <span className="bad"> · on the way to {amount(budget.projected ?? 0)}</span>}
      </span>
    </div>
  );
}

/** What environments began to serve in this time. */
export function Releases({ releases }: { releases: readonly ReleaseMark[] }) {
  return (
    <section className="panel stack" aria-label="Releases">
      <h2>Releases in this time</h2>
      {releases.length === 0 && <p className="muted">None. They are the dotted lines in the charts.</p>}
      <ol className={styles.releases}>
        {releases.map((one) => (
          <li key={`${one.environment} ${one.prompt} ${one.sequence}`}>
            <Link to="/releases">
              {one.prompt}@{one.versions.join(", ")}
            </Link>{" "}
            in {one.environment} {one.rolled_back && <Badge tone="warn">rolled back</Badge>}
            <div className="small muted">
              {ago(one.at_ns)} <By actor={one.actor} reason={one.reason} />
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
