import type { RunDetail } from "../../api/schema";
import { count, duration, money, percent } from "../../parts/format";
import { Facts } from "../../parts/Facts";
import { brief } from "./runs";

/** What the run took, and what it was made with, so that it can be made again. */
export function RunFacts({ detail: { run, totals } }: { detail: RunDetail }) {
  const asked = run.repeats > 1 ? `${count(run.cases)} cases, ${run.least ? `${run.least} to ` : ""}${run.repeats} times each` : `${count(run.cases)} cases`;
  const failed = totals.errors > 0 && <span className="bad">✕ {count(totals.errors)} without an answer</span>;
  return (
    <div className="columns">
      <section className="panel stack">
        <h2>Took</h2>
        <Facts
          facts={[
            ["Asked", asked],
            ["Answers", <>{count(totals.answers)} {failed}</>],
            ["Spent", money(run.spent)],
            ["Answers cost", totals.unpriced > 0 ? `${money(totals.cost)}, and ${count(totals.unpriced)} without a known price` : money(totals.cost)],
            ["Scoring cost", totals.scoring_cost > 0 && money(totals.scoring_cost)],
            ["Tokens", `${count(totals.input_tokens)} in, ${count(totals.output_tokens)} out`],
            ["Latency", totals.latency_p50_ns != null && `half within ${duration(totals.latency_p50_ns)}, ${percent(0.95, 0)} within ${duration(totals.latency_p95_ns)}`],
            ["Run time", run.finished_ns > 0 && duration(run.finished_ns - run.created_ns)],
          ]}
        />
      </section>
      <section className="panel stack">
        <h2>Made with</h2>
        <Facts
          facts={[
            ["Run", <code>{run.id}</code>],
            ["Model", `${run.model}${run.deployments.length > 0 ? `: ${run.deployments.join(", ")}` : ""}`],
            ["Provider", run.provider],
            ["Commit", run.commit && <code>{brief(run.commit)}{run.commit.endsWith("+") && ", with edits"}</code>],
            ["Prompt", <Digest of={run.prompt_digest} />],
            ["Suite", <Digest of={run.suite_digest} />],
            ["Dataset", <Digest of={run.dataset_digest} />],
            ["Split", run.split],
            ["Policies", run.policies.join(", ")],
          ]}
        />
      </section>
    </div>
  );
}

const Digest = ({ of }: { of: string }) => <code title={of}>{brief(of)}</code>;
