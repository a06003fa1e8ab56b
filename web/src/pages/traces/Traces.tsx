import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { ApiError } from "../../api/client";
import type { CallCount, Usages } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count, measured, money, percent } from "../../parts/format";
import { FirstCall } from "../../parts/FirstCall";
import { Heading } from "../../parts/Heading";
import { isFixed, isPast } from "../../parts/period";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { Empty, Failure } from "../../parts/States";
import { CallsTable } from "./CallsTable";
import { LeftOut } from "./EnvironmentChoice";
import { FilterBar } from "./FilterBar";
import { Histogram } from "./Histogram";
import { countQuery, totalsQuery } from "./queries";
import { Quick } from "./Quick";
import { Saved } from "./Saved";
import { type TraceSearch, filterOf, isFiltered } from "./search";
import styles from "./Traces.module.css";

const route = getRouteApi("/inside/traces");

/** Every call: found by the filter language, counted over time, walked row by row. */
export function Traces() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/traces" });
  const [now, setNow] = useState(() => Date.now());
  const filter = useMemo(() => filterOf(search, now), [search, now]);
  const counted = useQuery(countQuery(filter));
  const marks = useReleaseMarks(filter, search.environment);
  const totals = useQuery({ ...totalsQuery(filter), enabled: !counted.isError });
  const change = (part: Partial<TraceSearch>) => {
    setNow(Date.now());
    void navigate({ search: (before) => ({ ...before, ...part }) });
  };
  // What is wrong stands where it was typed: of an expression that was put into another, its own place is asked for.
  const alone = useQuery({ ...countQuery({ ...filter, q: search.q }), enabled: counted.isError && search.q !== filter.q });
  const error = alone.error ?? counted.error;
  const wrong = error instanceof ApiError && error.param === "q" ? error.message : "";
  const live = search.live === true && search.until === undefined;
  return (
    <div className="page">
      <Heading title="Traces" about="Every call, and what happened in it">
        <Button aria-pressed={live} onClick={() => change(live ? { live: undefined } : { live: true, until: undefined })}>
          {live ? "● Live: stop" : "Live"}
        </Button>
        <Saved q={search.q ?? ""} search={(q) => change({ q })} />
      </Heading>
      <FilterBar q={search.q ?? ""} since_ns={filter.since_ns} error={wrong} search={(q) => change({ q: q || undefined })} />
      <div className="row spread">
        <Quick search={search} since_ns={filter.since_ns} change={change} />
        <Sums counted={counted.data} totals={totals.data} />
      </div>
      <LeftOut search={search} change={change} />
      {counted.data && counted.data.calls > 0 && (
        <section className={`panel ${styles.chart}`}>
          <Histogram counted={counted.data} marks={marks} past={isPast(search, now)} zoom={(from, until) => change({ from, until, live: undefined })} />
        </section>
      )}
      {counted.isError && !wrong && <Failure error={counted.error} retry={() => void counted.refetch()} />}
      {!wrong && <CallsTable key={JSON.stringify(filter)} filter={filter} live={live} empty={<Nothing search={search} change={change} />} />}
    </div>
  );
}

/** What the calls of the filter come to. */
function Sums({ counted, totals }: { counted: CallCount | undefined; totals: Usages | null | undefined }) {
  if (!counted) return null;
  return (
    <dl className={styles.sums} aria-label="Totals">
      <Sum name="calls" value={count(counted.calls)} />
      {counted.calls > 0 && <Sum name="failed" value={`${count(counted.failed)} (${percent(counted.failed / counted.calls)})`} />}
      {totals && counted.calls > 0 && (
        <>
          <Sum name="cost" value={`${money(totals.cost)}${totals.unpriced ? ` + ${count(totals.unpriced)} unpriced` : ""}`} />
          <Sum name="p50" value={measured(totals.p50_ns)} />
          <Sum name="p95" value={measured(totals.p95_ns)} />
        </>
      )}
    </dl>
  );
}

function Sum({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="muted small">{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** No call matches, or there is none yet: what to do about it. */
function Nothing({ search, change }: { search: TraceSearch; change: (part: Partial<TraceSearch>) => void }) {
  const everywhere = search.window === "all" && !isFixed(search);
  const ever = useQuery(countQuery({ wide: true }));
  if (ever.data?.calls === 0) return <FirstCall />;
  return (
    <Empty title="No call matches">
      <div className="row">
        {!everywhere && <Button onClick={() => change({ window: "all", from: undefined, until: undefined })}>Look at all time</Button>}
        {(isFiltered(search) || search.calls === "traffic") && (
          <Button onClick={() => change({ q: undefined, failed: undefined, environment: undefined, model: undefined, calls: "all" })}>Remove the filters</Button>
        )}
      </div>
    </Empty>
  );
}
