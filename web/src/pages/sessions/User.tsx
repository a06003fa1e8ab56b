import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import type { CallRow, Feedback, Usages } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { callsOf } from "../../parts/calls";
import { Chart } from "../../parts/Chart";
import { ago, brief, count, duration, money, percent, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { localStarts } from "../../parts/localTime";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { Empty, Shown } from "../../parts/States";
import { spread } from "../overview/slots";
import { DEFAULT_WINDOW, WINDOWS, type Window, filterOf } from "../traces/search";
import { userFailuresQuery, userOpinionsQuery, userUsageQuery, visitsQuery } from "./queries";
import { Visits } from "./Sessions";
import styles from "./User.module.css";

const route = getRouteApi("/inside/users/$id");

const MINUTE = 60e9;
/** Lengths of slots that people know how to read, in nanoseconds. */
const STEPS = [1, 5, 15, 60, 240, 1440].map((minutes) => minutes * MINUTE);
const SLOTS = 60;

/** What one user did: calls and cost over time, conversations, failures, and what the user thought. */
export function User() {
  const { id } = route.useParams();
  const { tenant, window = DEFAULT_WINDOW } = route.useSearch();
  const navigate = useNavigate({ from: "/users/$id" });
  const [now] = useState(() => Date.now());
  const whose = useMemo(() => ({ user: id, tenant, since_ns: filterOf({ window }, now).since_ns }), [id, tenant, window, now]);
  const total = useQuery(userUsageQuery(whose, 0));
  return (
    <div className="page">
      <Heading title={`User ${id}`} about={tenant && `Tenant ${tenant}`}>
        <select aria-label="Window of time" value={window} onChange={(event) => void navigate({ search: { tenant, window: event.target.value as Window } })}>
          {Object.entries(WINDOWS).map(([name, { label }]) => (
            <option key={name} value={name}>
              {name === "all" ? label : `Last ${label}`}
            </option>
          ))}
        </select>
        <Link className="button" to="/traces" search={{ q: callsOf({ user: id, tenant }), window }}>
          All calls
        </Link>
      </Heading>
      <Shown query={total}>{(found) => (found[0]?.calls ? <Did whose={whose} now={now} total={found[0]} /> : <Nothing id={id} />)}</Shown>
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

interface Whose {
  user: string;
  tenant?: string;
  since_ns?: number;
}

function Did({ whose, now, total }: { whose: Whose; now: number; total: Usages }) {
  const sessions = useQuery(visitsQuery("sessions", whose));
  const failures = useQuery(userFailuresQuery(whose));
  const opinions = useQuery(userOpinionsQuery(whose));
  return (
    <>
      <Sums total={total} />
      <OverTime whose={whose} now={now} />
      <section className="stack" aria-labelledby="sessions">
        <h2 id="sessions">Sessions</h2>
        <Shown query={sessions}>
          {(found) => (found.length > 0 ? <Visits of="sessions" found={found} height="320px" /> : <p className="muted">No call named a session.</p>)}
        </Shown>
      </section>
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
    ["p50", duration(total.p50_ns)],
    ["p95", duration(total.p95_ns)],
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

function OverTime({ whose, now }: { whose: Whose; now: number }) {
  const first = useQuery(visitsQuery("users", whose));
  const began = whose.since_ns ?? first.data?.[0]?.first_ns;
  const length = began === undefined ? 0 : now * 1e6 - began;
  const step = began === undefined ? 0 : (STEPS.find((one) => one * SLOTS >= length) ?? Math.ceil(length / SLOTS / (1440 * MINUTE)) * 1440 * MINUTE);
  const series = useQuery({ ...userUsageQuery(whose, step), enabled: step > 0 });
  const until_ns = now * 1e6;
  const drawn = useMemo(() => filled(series.data ?? [], step, began ?? 0, until_ns), [series.data, step, began, until_ns]);
  const marks = useReleaseMarks(began);
  if (drawn.times.length < 2) return null;
  return (
    <div className="columns">
      <div className="panel">
        <Chart title="Calls" times={drawn.times} format={count} series={drawn.calls} until_ns={until_ns} marks={marks} />
      </div>
      <div className="panel">
        <Chart title="Cost" times={drawn.times} format={money} series={drawn.cost} until_ns={until_ns} marks={marks} />
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
