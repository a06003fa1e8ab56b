import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { DatasetInfo, SuiteInfo } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { ago, count, money } from "../../parts/format";
import { Empty, Failure, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { useReference } from "../../parts/useReference";
import { demand, gateName } from "./Gates";
import { datasetsQuery, suitesQuery } from "./queries";
import { RunLink, RunState } from "./RunName";
import { score } from "./runs";

/** The suites of the project as their files are now, each with its last run; below them the datasets. */
export function Suites() {
  const suites = useQuery(suitesQuery);
  return (
    <Shown query={suites}>
      {(found) =>
        found.length === 0 ? (
          <Empty title="There is no suite" command="moat eval init">
            A suite is a file in <code>evals/</code>: the cases to ask, how answers are scored, and what must hold before a version is served. This writes a
            first one for a prompt.
          </Empty>
        ) : (
          <div className="stack">
            <Table label="Suites" rows={found} columns={COLUMNS} id={(one) => one.name} />
            <Problems suites={found} />
            <Datasets />
          </div>
        )
      }
    </Shown>
  );
}

const COLUMNS: Column<SuiteInfo>[] = [
  {
    key: "name",
    header: "Suite",
    cell: (one) => (
      <Link to="/evals/runs" search={{ suite: one.name }}>
        {one.name}
      </Link>
    ),
    sort: (one) => one.name,
  },
  { key: "verdict", header: "Last run", cell: (one) => <Last suite={one} /> },
  { key: "score", header: "Score", kind: "number", cell: (one) => score(one.last_run?.score), sort: (one) => one.last_run?.score ?? -1 },
  { key: "of", header: "Of", cell: (one) => one.last_run && <RunLink run={one.last_run} /> },
  { key: "when", header: "When", cell: (one) => one.last_run && ago(one.last_run.created_ns), sort: (one) => one.last_run?.created_ns ?? 0 },
  { key: "answers", header: "Asks", cell: (one) => one.prompt || one.answers, kind: "cut" },
  { key: "cases", header: "Cases", kind: "number", cell: (one) => (one.cases == null ? "–" : count(one.cases)), sort: (one) => one.cases ?? 0 },
  { key: "gates", header: "Gates", kind: "text", cell: (one) => <Demands suite={one} /> },
  {
    key: "power",
    header: "Power",
    cell: (one) =>
      one.problems.length === 0 && (
        <Link to="/evals/power" search={{ suite: one.name }} aria-label={`Plan ${one.name}`}>
          Plan
        </Link>
      ),
  },
];

function Last({ suite }: { suite: SuiteInfo }) {
  if (suite.problems.length > 0) return <Badge tone="bad">broken</Badge>;
  return suite.last_run ? <RunState run={suite.last_run} /> : <span className="muted">never run</span>;
}

function Demands({ suite }: { suite: SuiteInfo }) {
  if (suite.problems.length > 0) return null;
  if (suite.gates.length === 0) return <span className="muted">None: it decides nothing</span>;
  return suite.gates.map((gate) => (
    <div key={`${gateName(gate)} ${demand(gate)}`}>
      <strong>{gateName(gate)}</strong> {demand(gate)}
    </div>
  ));
}

/** Why suites cannot be run, and the command for those that never were. */
function Problems({ suites }: { suites: SuiteInfo[] }) {
  const broken = suites.filter((one) => one.problems.length > 0);
  const never = suites.find((one) => !one.last_run && one.problems.length === 0 && one.prompt);
  const reference = useReference(never?.prompt);
  return (
    <>
      {broken.map((one) => (
        <section key={one.name} className="panel stack" aria-label={`Problems of ${one.name}`}>
          <h2>
            {one.name} cannot be run <code>{one.path}</code>
          </h2>
          <ul>
            {one.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
        </section>
      ))}
      {never && (
        <Empty title={`${never.name} was never run`} command={reference && `moat eval run ${reference} --suite ${never.name}`}>
          {never.budget != null && `One run costs at most ${money(never.budget)}.`}
        </Empty>
      )}
    </>
  );
}

const STATES: Record<DatasetInfo["state"], Tone> = { locked: "good", edited: "warn", "not locked": "neutral", broken: "bad" };

const DATASETS: Column<DatasetInfo>[] = [
  { key: "path", header: "Dataset", cell: (one) => <code>{one.path}</code>, sort: (one) => one.path },
  { key: "state", header: "State", cell: (one) => <Badge tone={STATES[one.state]}>{one.state}</Badge> },
  { key: "version", header: "Version", kind: "number", cell: (one) => one.version ?? "–" },
  { key: "cases", header: "Cases", kind: "number", cell: (one) => (one.cases == null ? "–" : count(one.cases)) },
  { key: "suites", header: "Asked by", cell: (one) => one.suites.join(", ") || "–" },
  { key: "why", header: "Locked because", kind: "text", cell: (one) => (one.problem ? <span className="bad">✕ {one.problem}</span> : one.reason) },
  { key: "who", header: "By", cell: (one) => one.author },
];

function Datasets() {
  const datasets = useQuery(datasetsQuery);
  return (
    <section className="stack">
      <h2>Datasets</h2>
      {datasets.isError && <Failure error={datasets.error} />}
      {datasets.data && <Table label="Datasets" rows={datasets.data} columns={DATASETS} id={(one) => one.path} />}
    </section>
  );
}
