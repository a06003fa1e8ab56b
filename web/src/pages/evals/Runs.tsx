import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Run } from "../../api/schema";
import { ago, count, time } from "../../parts/format";
import { Empty, Failure, Loading } from "../../parts/States";
import { type Column, type More, Table } from "../../parts/Table";
import { useReference } from "../../parts/useReference";
import styles from "./Runs.module.css";
import { RunsFilter, isFiltered } from "./RunsFilter";
import { runQuery, runsQuery } from "./queries";
import { RunLink, RunState } from "./RunName";
import { apart, isDraft, person, score, subject } from "./runs";
import type { RunsSearch } from "./search";

const route = getRouteApi("/inside/evals/runs");

/** All stored runs that the filter leaves, newest first, page by page. Two of them can be compared. */
export function Runs() {
  const search = route.useSearch();
  const found = useInfiniteQuery(runsQuery(search));
  const { hasNextPage } = found;
  const runs = useMemo(() => found.data?.pages.flatMap((page) => page.runs) ?? [], [found.data]);
  return (
    <>
      <RunsFilter search={search} />
      {found.isError && !found.isFetchNextPageError && <Failure error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.isSuccess && runs.length === 0 && <None filtered={isFiltered(search)} />}
      {runs.length > 0 && (
        <>
          <Pair runs={runs} chosen={search.chosen ?? []} />
          <Found runs={runs} search={search} whole={!hasNextPage} more={found} />
          <p className="muted small">
            {count(runs.length)}
            {hasNextPage ? " and more: they come as you scroll" : runs.length === 1 ? " run" : " runs"}
          </p>
        </>
      )}
    </>
  );
}

function None({ filtered }: { filtered: boolean }) {
  const reference = useReference();
  return filtered ? (
    <Empty title="No such run">
      <Link to="/evals/runs">All runs</Link>
    </Empty>
  ) : (
    <Empty title="Nothing was evaluated yet" command={reference && `moat eval run ${reference}`}>
      A run asks each case of a suite and keeps answers, scores and what they cost. <Link to="/evals">Suites</Link> are files beside the prompts.
    </Empty>
  );
}

/** The chosen runs by the list, newest first; those that are not on its pages yet are asked for by themselves. */
function useChosen(runs: readonly Run[], chosen: readonly string[]): Run[] {
  const listed = runs.filter((run) => chosen.includes(run.id));
  const others = chosen.filter((id) => !listed.some((run) => run.id === id));
  const asked = useQueries({ queries: others.map((id) => runQuery(id)) });
  return [...listed, ...asked.flatMap(({ data }) => (data ? [data.run] : []))].sort((a, b) => b.created_ns - a.created_ns);
}

/** What can be done with the runs that were chosen. */
function Pair({ runs, chosen }: { runs: readonly Run[]; chosen: readonly string[] }) {
  const [newer, older] = useChosen(runs, chosen);
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

interface FoundProps {
  runs: readonly Run[];
  search: RunsSearch;
  /** Are there no more pages? Only then can the table be sorted. */
  whole: boolean;
  more: More;
}

function Found({ runs, search, whole, more }: FoundProps) {
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
    ...COLUMNS.map((column) => (whole ? column : { ...column, sort: undefined })),
  ];
  return <Table label="Runs" rows={runs} columns={columns} id={(run) => run.id} height="70vh" more={more} />;
}

function Author({ run }: { run: Run }) {
  return (
    <span title={run.author}>
      <bdi>{person(run.author)}</bdi>
      {isDraft(run) && ", a draft"}
    </span>
  );
}

const COLUMNS: Column<Run>[] = [
  { key: "suite", header: "Suite", cell: (run) => run.suite, sort: (run) => run.suite },
  { key: "verdict", header: "Verdict", cell: (run) => <RunState run={run} />, sort: (run) => run.verdict },
  { key: "score", header: "Score", kind: "number", cell: (run) => score(run.score), sort: (run) => run.score ?? -1 },
  { key: "cases", header: "Cases", kind: "number", cell: (run) => (run.repeats > 1 ? `${count(run.cases)} × ${run.repeats}` : count(run.cases)), sort: (run) => run.cases },
  { key: "spent", header: "Cost", kind: "number", money: (run) => run.spent, sort: (run) => run.spent },
  { key: "when", header: "When", cell: (run) => <span title={time(run.created_ns)}>{ago(run.created_ns)}</span>, sort: (run) => run.created_ns },
  { key: "model", header: "Model", cell: (run) => run.model },
  { key: "who", header: "Who", kind: "cut", cell: (run) => <Author run={run} />, sort: (run) => run.author },
];
