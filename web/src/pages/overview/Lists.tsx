import { Link } from "@tanstack/react-router";

import type { Budget, FiringAlert, Forecast, ReleaseMark } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, brief, money, percent, time } from "../../parts/format";
import { By } from "../releases/By";
import styles from "./Lists.module.css";

/** Alerts that fire now, whatever time the page shows; nothing when none does. */
export function Firing({ alerts, past }: { alerts: readonly FiringAlert[]; past: boolean }) {
  if (alerts.length === 0) return null;
  return (
    <section className={`panel stack ${styles.firing}`} aria-label="Alerts">
      <h2>
        <Badge tone="bad">{alerts.length} firing{past && " now"}</Badge>
      </h2>
      <ul className={styles.list}>
        {alerts.map((alert) => (
          <Fires key={alert.rule + JSON.stringify(alert.labels)} alert={alert} />
        ))}
      </ul>
    </section>
  );
}

/** What it found, what that means, and the way to the calls behind it. */
function Fires({ alert }: { alert: FiringAlert }) {
  const { rule, value, bar, side, since_ns, muted, meaning, remedy, q, calls_since_ns } = alert;
  const whose = Object.entries(alert.labels).filter(([, name]) => name);
  return (
    <li>
      <p>
        <strong>{rule}</strong> {whose.map(([name, one]) => `${name} ${one}`).join(", ") || "all calls"}: {value}
        {bar && ` (fires ${side} ${bar})`}, since {ago(since_ns)} {muted && <span className="muted">({muted})</span>}{" "}
        <Link to="/traces" search={{ q, from: Math.floor(calls_since_ns / 1e6) }}>
          Show the calls<span className="hidden-visually"> of {rule}</span>
        </Link>
      </p>
      {meaning && (
        <p className="small muted">
          {meaning} What to do: <InWords text={remedy} />
        </p>
      )}
    </li>
  );
}

/** A text, with what stands between back ticks as code. */
function InWords({ text }: { text: string }) {
  return text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part));
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
      <ol className={styles.list}>
        {releases.map((one) => (
          <li key={`${one.environment} ${one.prompt} ${one.sequence}`}>
            <Link to="/releases/served" search={{ prompt: one.prompt, environment: one.environment }}>
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
