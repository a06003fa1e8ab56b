import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import type { DeploymentState, Drift, Status } from "../../api/schema";
import { statusQuery } from "../../api/serving";
import { useMay } from "../../api/session";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Facts } from "../../parts/Facts";
import { count } from "../../parts/format";
import { Empty, Failure, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";

/** Is something broken? Problems first, with what is served, drift, and how each deployment stands. */
export function Health() {
  const queries = useQueryClient();
  const engineer = useMay("engineer");
  const status = useQuery({ ...statusQuery, refetchInterval: 5000 });
  const refresh = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/refresh", { body: {} })),
    onSuccess: (found) => queries.setQueryData(statusQuery.queryKey, found),
  });
  return (
    <Shown query={status}>
      {(found) => (
        <div className="stack">
          <div className="row spread">
            <Summary status={found} />
            {engineer && (
              <Button onClick={() => refresh.mutate()} disabled={refresh.isPending}>
                Read files again
              </Button>
            )}
          </div>
          {refresh.isError && <Failure error={refresh.error} />}
          <Problems problems={found.problems} />
          <Drifted drift={found.drift} />
          <h2>Deployments</h2>
          {found.deployments.length > 0 ? (
            <>
              <Table label="Deployments" rows={found.deployments} columns={DEPLOYMENTS} id={(one) => one.deployment} />
              <p className="muted small">
                Held against a deployment are tries that failed through its own fault; too many in a row, and it is left alone for a while. Other errors, such as
                of a question that it refused, stand in <Link to="/traces">traces</Link>.
              </p>
            </>
          ) : (
            <Empty title="No deployment was asked since the server started" command="moat smoke" />
          )}
        </div>
      )}
    </Shown>
  );
}

function Summary({ status }: { status: Status }) {
  const sync = status.sync;
  return (
    <Facts
      facts={[
        ["Models", status.models.join(", ")],
        ["Released prompts", status.released.join(", ")],
        [
          "Last sync",
          sync && (
            <>
              {sync.commit.slice(0, 10)} <bdi>{sync.subject}</bdi> (<bdi>{sync.author}</bdi>)
            </>
          ),
        ],
      ]}
    />
  );
}

function Problems({ problems }: { problems: readonly string[] }) {
  if (problems.length === 0) return <Badge tone="good">Nothing is broken</Badge>;
  return (
    <section className="panel stack" aria-label="Problems">
      <h2 className="bad">Problems</h2>
      <ul>
        {problems.map((problem) => (
          <li key={problem}>{problem}</li>
        ))}
      </ul>
    </section>
  );
}

function Drifted({ drift }: { drift: readonly Drift[] }) {
  if (drift.length === 0) return null;
  return (
    <section className="panel stack" aria-label="Drift">
      <h2>Drift: what is served has left its ground in git, lock or evidence</h2>
      <ul>
        {drift.map((one) => (
          <li key={`${one.environment} ${one.prompt} ${one.kind}`}>
            <strong>
              {one.environment}: {one.prompt}@{one.version}
            </strong>{" "}
            {one.message} <span className="muted">{one.remedy}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What its breaker lets through, in words. */
const STATES: Record<DeploymentState["state"], { tone: Tone; words: string }> = {
  closed: { tone: "good", words: "asked as usual" },
  half_open: { tone: "warn", words: "on trial, a few calls" },
  open: { tone: "bad", words: "left alone for a while" },
};

const DEPLOYMENTS: Column<DeploymentState>[] = [
  { key: "deployment", header: "Deployment", cell: (one) => one.deployment, sort: (one) => one.deployment },
  { key: "state", header: "State", cell: (one) => <Badge tone={STATES[one.state].tone}>{STATES[one.state].words}</Badge> },
  { key: "latency", header: "First piece", kind: "number", cell: (one) => (one.latency == null ? "–" : `${(one.latency * 1000).toFixed(0)} ms`), sort: (one) => one.latency ?? 0 },
  { key: "tries", header: "Tries", kind: "number", cell: (one) => count(one.tries), sort: (one) => one.tries },
  { key: "failed", header: "Held against it", kind: "number", cell: (one) => count(one.failed), sort: (one) => one.failed },
  { key: "retries", header: "Retries", kind: "number", cell: (one) => count(one.retries) },
  { key: "fallbacks", header: "Fallbacks to it", kind: "number", cell: (one) => count(one.fallbacks) },
  { key: "waiting", header: "Waiting", kind: "number", cell: (one) => count(one.waiting) },
];
