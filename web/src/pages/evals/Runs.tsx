import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";

import type { Run } from "../../api/schema";
import { ago, count, money, time } from "../../parts/format";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import styles from "./Runs.module.css";
import { MOST_RUNS, runsQuery, suitesQuery } from "./queries";
import { RunLink, RunState } from "./RunName";
import { apart, isDraft, person, score, subject } from "./runs";
import type { RunsSearch } from "./routes";

const route = getRouteApi("/inside/evals/runs");

/** All stored runs, newest first. Two of them can be compared. */
export function Runs() {
  const search = route.useSearch();
  const runs = useQuery(runsQuery(search));
  const chosen = search.chosen ?? [];
  return (
    <>
      <Filters search={search} />
      <Shown query={runs}>
        {(found) =>
          found.length === 0 ? (
            <None filtered={Boolean(search.suite ?? search.prompt)} />
          ) : (
            <>
              <Pair runs={found.filter((run) => chosen.includes(run.id))} />
              <Found runs={found} search={search} />
              {found.length === MOST_RUNS && <p className="muted">These are the newest {count(MOST_RUNS)}: choose a suite to see older ones.</p>}
            </>
          )
        }
      </Shown>
    </>
  );
}

function None({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty title="No run is of that suite and prompt">
      <Link to="/evals/runs">All runs</Link>
    </Empty>
  ) : (
    <Empty title="Nothing was evaluated yet" command="moat eval run NAME@VERSION">
      A run asks each case of a suite and keeps answers, scores and what they cost. <Link to="/evals">Suites</Link> are files beside the prompts.
    </Empty>
  );
}

/** Suites and prompts to choose from; one that is chosen stays, also when the project has it no more. */
function Filters({ search }: { search: RunsSearch }) {
  const navigate = useNavigate();
  const suites = useQuery(suitesQuery).data ?? [];
  const options = (names: readonly string[], chosen: string | undefined) => [...new Set([...names, chosen ?? ""])].filter(Boolean).sort();
  const choose = (part: Partial<RunsSearch>) => void navigate({ to: "/evals/runs", search: { ...search, ...part, chosen: [] }, replace: true });
  return (
    <div className="row">
      <Choice label="Suite" value={search.suite} names={options(suites.map((one) => one.name), search.suite)} choose={(suite) => choose({ suite })} />
      <Choice label="Prompt" value={search.prompt} names={options(suites.map((one) => one.prompt), search.prompt)} choose={(prompt) => choose({ prompt })} />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string | undefined;
  names: readonly string[];
  choose: (name: string | undefined) => void;
}

function Choice({ label, value, names, choose }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={(event) => choose(event.target.value || undefined)}>
        <option value="">all</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

/** What can be done with the runs that were chosen. */
function Pair({ runs }: { runs: readonly Run[] }) {
  const [newer, older] = runs;
  const why = newer && older ? apart(newer, older) : "";
  return (
    <p role="status" className="row">
      {!newer && <span className="muted">Choose two runs to compare them case by case.</span>}
      {newer && !older && <span>{subject(newer)} is chosen: choose another one of the suite to compare it with.</span>}
      {newer && older && why && <span className="warn">! These two do not compare. {why}</span>}
      {newer && older && !why && (
        <Link to="/evals/compare" search={{ run: newer.id, baseline: older.id }} className="button" data-kind="main">
          Compare {subject(newer)} with {subject(older)}
        </Link>
      )}
    </p>
  );
}

function Found({ runs, search }: { runs: readonly Run[]; search: RunsSearch }) {
  const navigate = useNavigate();
  const chosen = search.chosen ?? [];
  const turn = (id: string) => {
    const next = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2);
    void navigate({ to: "/evals/runs", search: { ...search, chosen: next }, replace: true, resetScroll: false });
  };
  const columns: Column<Run>[] = [
    {
      key: "choose",
      header: "Compare",
      cell: (run) => (
        <input type="checkbox" className={styles.box} checked={chosen.includes(run.id)} onChange={() => turn(run.id)} aria-label={`Compare ${subject(run)} of ${time(run.created_ns)}`} />
      ),
    },
    { key: "of", header: "Run of", cell: (run) => <RunLink run={run} /> },
    ...COLUMNS,
  ];
  return <Table label="Runs" rows={runs} columns={columns} id={(run) => run.id} height="70vh" />;
}

const COLUMNS: Column<Run>[] = [
  { key: "suite", header: "Suite", cell: (run) => run.suite, sort: (run) => run.suite },
  { key: "verdict", header: "Verdict", cell: (run) => <RunState run={run} />, sort: (run) => run.verdict },
  { key: "score", header: "Score", kind: "number", cell: (run) => score(run.score), sort: (run) => run.score ?? -1 },
  { key: "cases", header: "Cases", kind: "number", cell: (run) => (run.repeats > 1 ? `${count(run.cases)} × ${run.repeats}` : count(run.cases)), sort: (run) => run.cases },
  { key: "spent", header: "Cost", kind: "number", cell: (run) => money(run.spent), sort: (run) => run.spent },
  { key: "when", header: "When", cell: (run) => <span title={time(run.created_ns)}>{ago(run.created_ns)}</span>, sort: (run) => run.created_ns },
  { key: "model", header: "Model", cell: (run) => run.model },
  { key: "who", header: "Who", kind: "cut", cell: (run) => <span title={run.author}>{isDraft(run) ? `${person(run.author)}, a draft` : person(run.author)}</span>, sort: (run) => run.author },
];
