import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import type { CallRow, Feedback, Usages } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { callsOf } from "../../parts/calls";
import { Chart } from "../../parts/Chart";
import { ago, brief, count, measured, money, percent, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { localStarts } from "../../parts/localTime";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { type Bounds, type PeriodSearch, boundsOf, drawn, periodOf, readPeriod, stepOf } from "../../parts/period";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { Empty, Shown } from "../../parts/States";
import { spread } from "../overview/slots";
import { DEFAULT_WINDOW, WINDOWS, type Window } from "../traces/search";
import { userFailuresQuery, userOpinionsQuery, userUsageQuery, visitsQuery } from "./queries";
import { Visits } from "./Sessions";
import styles from "./User.module.css";

const route = getRouteApi("/inside/users/$id");

/** What one user did: calls and cost over time, conversations, failures, and what the user thought. */
export function User() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const { tenant } = search;
  const navigate = useNavigate({ from: "/users/$id" });
  const [now, setNow] = useState(() => Date.now());
  const whose = useMemo(() => ({ user: id, tenant: search.tenant, ...boundsOf(periodOf(search, DEFAULT_WINDOW), now) }), [id, search, now]);
  const total = useQuery(userUsageQuery(whose, 0));
  const choose = (change: PeriodSearch<Window>) => {
    setNow(Date.now());
    void navigate({ search: (before) => ({ ...before, ...change }) });
  };
  return (
    <div className="page">
      <Heading title={`User ${id}`} about={tenant && `Tenant ${tenant}`}>
        <PeriodChoice period={periodOf(search, DEFAULT_WINDOW)} windows={WINDOWS} choose={choose} />
        <Link className="button" to="/traces" search={{ ...readPeriod({ ...search }, WINDOWS), q: callsOf({ user: id, tenant }) }}>
          All calls
        </Link>
      </Heading>
      <Shown query={total}>{(found) => (found[0]?.calls ? <Did whose={whose} now={now} total={found[0]} zoom={(from, until) => choose(drawn(from, until))} /> : <Nothing id={id} />)}</Shown>
    </div>
  );
}

function Nothing({ id }: { id: string }) {
  return (
    <Empty title="No calls in this time">
      <p>
        Nobody called as <code>{id}</code>. Choose a longer time above, or see <Link to="/sessions" search={{ tab: "users" }}>all users</Link>.
      </p>
    </Empty>
  );
}

interface Whose extends Bounds {
  user: string;
  tenant?: string;
}

interface DidProps {
  whose: Whose;
  now: number;
  total: Usages;
  zoom: (since_ns: number, until_ns: number) => void;
}

function Did({ whose, now, total, zoom }: DidProps) {
  const sessions = useQuery(visitsQuery("sessions", whose));
  const failures = useQuery(userFailuresQuery(whose));
  const opinions = useQuery(userOpinionsQuery(whose));
  return (
    <>
      <Sums total={total} />
      <OverTime whose={whose} now={now} zoom={zoom} />
      <div className="stack">
        <h2>Sessions</h2>
        <Shown query={sessions}>
          {(found) => (found.length > 0 ? <Visits of="sessions" found={found} height="320px" /> : <p className="muted">No call named a session.</p>)}
        </Shown>
      </div>
      <div className="columns">
        <section className="panel stack" aria-labelledby="failures">
          <h2 id="failures">Failures</h2>
          <Shown query={failures}>{(found) => <Failures found={found} />}</Shown>
        </section>
        <section className="panel stack" aria-labelledby="feedback">
          <h2 id="feedback">Feedback</h2>
          <Shown query={opinions}>{(found) => <Opinions found={found} />}</Shown>
        </section>
      </div>
    </>
  );
}

function Sums({ total }: { total: Usages }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Calls", count(total.calls)],
    ["Failed", `${count(total.errors)} (${percent(total.errors / total.calls)})`],
    ["Cost", `${money(total.cost)}${total.unpriced ? ` + ${count(total.unpriced)} unpriced` : ""}`],
    ["Tokens", `${brief(total.input_tokens)} + ${brief(total.output_tokens)}`],
    ["p50", measured(total.p50_ns)],
    ["p95", measured(total.p95_ns)],
  ];
  return (
    <dl className="tiles">
      {facts.map(([name, value]) => (
        <div key={name} className={`panel ${styles.tile}`}>
          <dt className="muted small">{name}</dt>
          <dd className={styles.value}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function OverTime({ whose, now, zoom }: Omit<DidProps, "total">) {
  const first = useQuery(visitsQuery("users", whose));
  const began = whose.since_ns ?? first.data?.[0]?.first_ns;
  const step = began === undefined ? 0 : stepOf(Math.min(whose.until_ns ?? Infinity, now * 1e6) / 1e6 - began / 1e6);
  const series = useQuery({ ...userUsageQuery(whose, step), enabled: step > 0 });
  // Up to the answer: what is shown is asked for again while calls come.
  const until_ns = Math.min(whose.until_ns ?? Infinity, Math.max(now, series.dataUpdatedAt) * 1e6);
  const all = useMemo(() => filled(series.data ?? [], step, began ?? 0, until_ns), [series.data, step, began, until_ns]);
  const marks = useReleaseMarks({ since_ns: began, until_ns: whose.until_ns });
  const shared = { times: all.times, ...(began !== undefined && { since_ns: began }), until_ns, past: whose.until_ns === until_ns, marks, zoom };
  if (all.times.length < 2) return null;
  return (
    <div className="columns">
      <h2 className="hidden-visually">Over time</h2>
      <div className="panel">
        <Chart title="Calls" format={count} series={all.calls} {...shared} />
      </div>
      <div className="panel">
        <Chart title="Cost" format={money} series={all.cost} {...shared} />
      </div>
    </div>
  );
}

/** Slots of the whole time: a slot without calls is absent in the answer, and none here. */
function filled(found: readonly Usages[], step: number, began: number, until_ns: number) {
  const times = step > 0 && found.length > 0 ? localStarts(began, until_ns, step) : [];
  const slots = found.map((one) => ({ ...one, start_ns: one.slot_ns }));
  const of = (value: (one: Usages) => number) => spread(times, slots, value, 0);
  return {
    times,
    calls: [
      { label: "calls", values: of((one) => one.calls) },
      { label: "failed", values: of((one) => one.errors), dashed: true },
    ],
    cost: [{ label: "cost", values: of((one) => one.cost) }],
  };
}

function Failures({ found }: { found: readonly CallRow[] }) {
  if (found.length === 0) return <p className="muted">None.</p>;
  return (
    <ul className={`stack ${styles.plain}`}>
      {found.map((call) => (
        <li key={call.span_id} className="row">
          <Link to="/traces/$id" params={{ id: call.request_id || call.trace_id }}>
            {time(call.started_ns)}
          </Link>
          <Badge tone="bad">{call.error}</Badge>
          <span className="muted">{call.prompt || call.model}</span>
        </li>
      ))}
    </ul>
  );
}

function Opinions({ found }: { found: readonly Feedback[] }) {
  if (found.length === 0) return <p className="muted">None was given.</p>;
  return (
    <ul className={`stack ${styles.plain}`}>
      {found.map((one) => (
        <li key={one.id}>
          <span className="row">
            {one.value != null && <Badge tone={one.value >= 0.5 ? "good" : "bad"}>{one.rating != null ? `${one.rating} of 5` : one.value >= 0.5 ? "good" : "bad"}</Badge>}
            <span className="muted small">
              {one.by || "somebody"}, {ago(one.at_ns)}
            </span>
            <Link to="/traces/$id" params={{ id: one.request_id || one.trace_id || "" }}>
              The call
            </Link>
          </span>
          {one.comment && <p className={styles.said}>{one.comment}</p>}
        </li>
      ))}
    </ul>
  );
}
