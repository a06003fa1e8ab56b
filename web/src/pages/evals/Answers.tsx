import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Run, RunResult, RunScore } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count, duration } from "../../parts/format";
import { Failure, Loading, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { AnswerFilter } from "./AnswerFilter";
import styles from "./Answers.module.css";
import { CaseDetail } from "./CaseDetail";
import { answersQuery, caseQuery } from "./queries";
import type { RunSearch } from "./search";

const route = getRouteApi("/inside/evals/runs/$id");

const key = (one: RunResult): string => `${one.case}#${one.answer.repeat}`;

/** Every answer of the run, or those that a filter leaves; the chosen one opens beside them. */
export function Answers({ run, scores }: { run: Run; scores: readonly RunScore[] }) {
  const search = route.useSearch();
  const found = useInfiniteQuery(answersQuery(run.id, search));
  const { hasNextPage } = found;
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.results) ?? [], [found.data]);
  const columns = useMemo(() => columnsOf(scores, run.repeats), [scores, run.repeats]);
  const missing = found.data?.pages[0]?.missing;
  const open = search.case === undefined ? undefined : `${search.case}#${search.repeat ?? 0}`;
  return (
    <section className="stack">
      <h2>Cases</h2>
      <AnswerFilter search={search} names={scores.map((one) => one.name)} />
      {missing && <p className="warn">! What was asked is not known any more: {missing}</p>}
      {found.isError && !found.isFetchNextPageError && <Failure error={found.error} retry={() => void found.refetch()} />}
      {found.isPending ? (
        <Loading />
      ) : (
        <div className={open === undefined ? undefined : styles.beside}>
          <div className="stack">
            <Table label="Cases" rows={rows} columns={columns} id={key} selected={open} height="70vh" more={found} />
            <p className="muted small" role="status">
              {count(rows.length)}
              {hasNextPage ? " and more: they come as you scroll" : rows.length === 1 ? " answer" : " answers"}
            </p>
          </div>
          {search.case !== undefined && <Opened key={run.id} run={run} rows={rows} wanted={search.case} repeat={search.repeat ?? 0} />}
        </div>
      )}
    </section>
  );
}

const opened = (one: RunResult) => (before: RunSearch) => ({ ...before, case: one.case, repeat: one.answer.repeat || undefined });

function columnsOf(scores: readonly RunScore[], repeats: number): Column<RunResult>[] {
  const shown = [...scores].sort((a, b) => Number(b.gated) - Number(a.gated));
  return [
    {
      key: "case",
      header: "Case",
      kind: "cut",
      cell: (one) => (
        <Link to="/evals/runs/$id" from="/evals/runs/$id" search={opened(one)} resetScroll={false} replace>
          {one.case}
        </Link>
      ),
    },
    ...(repeats > 1 ? [{ key: "repeat", header: "Time", kind: "number" as const, cell: (one: RunResult) => one.answer.repeat + 1 }] : []),
    ...shown.map((each) => ({ key: `score ${each.name}`, header: each.name, kind: "number" as const, cell: (one: RunResult) => <Value of={one} name={each.name} /> })),
    { key: "latency", header: "Latency", kind: "number", cell: (one) => (one.answer.error ? "" : duration(one.answer.latency_ns)) },
    { key: "cost", header: "Cost", kind: "number", money: (one) => one.answer.cost },
  ];
}

/** A score of an answer; that there is none, and why, said in a word. */
function Value({ of, name }: { of: RunResult; name: string }) {
  const found = of.answer.scores.find((one) => one.name === name);
  if (of.answer.error) return <span className="bad">✕ no answer</span>;
  if (!found || found.status === "not_run") return <span className="muted">not run</span>;
  if (found.status === "error" || found.value == null) return <span className="bad">✕ error</span>;
  return <span className={found.value < 0.5 ? "bad" : undefined}>{found.value.toFixed(2)}</span>;
}

interface OpenedProps {
  run: Run;
  rows: readonly RunResult[];
  wanted: string;
  repeat: number;
}

/** The open case, of the rows or asked for by itself, and the ways to its neighbours. */
function Opened({ run, rows, wanted, repeat }: OpenedProps) {
  const navigate = useNavigate({ from: "/evals/runs/$id" });
  const place = rows.findIndex((one) => one.case === wanted && one.answer.repeat === repeat);
  const alone = useQuery({ ...caseQuery(run.id, wanted, repeat), enabled: place < 0 });
  const go = (one: RunResult | undefined) => one && void navigate({ search: opened(one), replace: true, resetScroll: false });
  const close = () => void navigate({ search: (before) => ({ ...before, case: undefined, repeat: undefined }), replace: true, resetScroll: false });
  const row = rows[place];
  return (
    <aside className={`panel stack ${styles.opened}`} aria-label="The open case" tabIndex={0}>
      <div className="row">
        <Button onClick={() => go(rows[place - 1])} disabled={place <= 0}>
          Previous
        </Button>
        <Button onClick={() => go(rows[place + 1])} disabled={place < 0 || place + 1 >= rows.length}>
          Next
        </Button>
        <Button kind="plain" onClick={close}>
          Close
        </Button>
      </div>
      {row ? <CaseDetail result={row} repeats={run.repeats} /> : <Shown query={alone}>{(one) => <CaseDetail result={one} repeats={run.repeats} />}</Shown>}
    </aside>
  );
}
