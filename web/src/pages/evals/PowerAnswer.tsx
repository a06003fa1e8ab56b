import type { PowerOfScore, PowerOption, PowerPlan } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { count, money, percent } from "../../parts/format";
import { Facts } from "../../parts/Facts";
import { type Column, Table } from "../../parts/Table";
import { PowerCurve } from "./PowerCurve";
import styles from "./Power.module.css";
import { score } from "./runs";

/** For each score: what the suite sees now, what it takes to see more, and how the chance grows with cases. */
export function PowerAnswer({ plan }: { plan: PowerPlan }) {
  const groups = plan.clusters < plan.cases ? ` in ${count(plan.clusters)} independent groups` : "";
  return (
    <>
      <p>
        {plan.suite} asks {count(plan.cases)} cases{groups}
        {plan.repeats > 1 && `, each ${plan.repeats} times`}.{" "}
        {plan.run_cost == null ? "What a run costs is not known before one is priced." : `One version's run costs about ${money(plan.run_cost)}.`}
      </p>
      {plan.scores.map((one) => (
        <OfScore key={one.score} of={one} plan={plan} />
      ))}
      {plan.notes.length > 0 && (
        <ul className="muted small">
          {plan.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function OfScore({ of, plan }: { of: PowerOfScore; plan: PowerPlan }) {
  const known = of.known === "two runs" || of.known === "one run";
  return (
    <section className={`panel ${styles.both}`} aria-label={of.score}>
      <div className="stack">
        <h2>{of.score}</h2>
        <p>
          To see a difference of <strong>{score(plan.detect)}</strong> with {percent(plan.power, 0)} power it takes{" "}
          <strong>{count(of.options[0]?.cases ?? 0)} cases</strong>.
        </p>
        <Facts
          facts={[
            ["Sees now", `a difference of ${score(of.sees)} or more`],
            [`Power of ${count(of.power.cases)} cases`, `${percent(of.power.power)} for ${score(plan.detect)}`],
            ["To pass its gate", of.margin != null && of.cases_for_margin != null && `${count(of.cases_for_margin)} cases, for a version that is no worse (margin ${of.margin})`],
            ["Rests on", <><Badge tone={known ? "good" : "warn"}>{of.known}</Badge> {of.basis}</>],
          ]}
        />
        <Table label={`Ways to see it in ${of.score}`} rows={of.options} columns={OPTIONS} id={(one) => String(one.repeats)} />
      </div>
      <PowerCurve of={of} target={plan.power} />
    </section>
  );
}

const OPTIONS: Column<PowerOption>[] = [
  { key: "repeats", header: "Repeats", kind: "number", cell: (one) => one.repeats },
  { key: "cases", header: "Cases", kind: "number", cell: (one) => count(one.cases) },
  { key: "answers", header: "Answers", kind: "number", cell: (one) => count(one.answers) },
  { key: "cost", header: "Cost of a run", kind: "number", money: (one) => one.cost },
];
