import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { ApiError } from "../../api/client";
import type { Visit } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { FirstCall } from "../../parts/FirstCall";
import { ago, brief, count, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { boundsOf, periodOf, readPeriod } from "../../parts/period";
import { Empty, Failure, Loading } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { Tabs } from "../../parts/Tabs";
import { FilterBar } from "../traces/FilterBar";
import { countQuery } from "../traces/queries";
import { DEFAULT_WINDOW, WINDOWS } from "../traces/search";
import { MOST, visitsQuery } from "./queries";
import type { ListSearch } from "./search";

const route = getRouteApi("/inside/sessions");

/** Conversations, and who had them; the last active first. */
export function Sessions() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/sessions" });
  const [now, setNow] = useState(() => Date.now());
  const of = search.tab ?? "sessions";
  const period = periodOf(search, DEFAULT_WINDOW);
  const filter = useMemo(() => ({ q: search.q, ...boundsOf(periodOf(search, DEFAULT_WINDOW), now) }), [search, now]);
  const visits = useQuery(visitsQuery(of, filter));
  const change = (part: Partial<ListSearch>) => {
    setNow(Date.now());
    void navigate({ search: (before) => ({ ...before, ...part }) });
  };
  const wrong = visits.error instanceof ApiError && visits.error.param === "q" ? visits.error.message : "";
  return (
    <div className="page">
      <Heading title="Sessions and users" about="Conversations, and who had them" />
      <Tabs label="Sessions and users">
        <Link to="/sessions" search={{ ...search, tab: undefined }} activeOptions={{ exact: true, includeSearch: true }} aria-current={of === "sessions" ? "page" : undefined}>
          Sessions
        </Link>
        <Link to="/sessions" search={{ ...search, tab: "users" }} activeOptions={{ exact: true, includeSearch: true }} aria-current={of === "users" ? "page" : undefined}>
          Users
        </Link>
      </Tabs>
      <FilterBar q={search.q ?? ""} since_ns={filter.since_ns} error={wrong} search={(q) => change({ q: q || undefined })} label={`${of === "users" ? "Users" : "Sessions"} with such calls`} />
      <div className="row">
        <PeriodChoice period={period} windows={WINDOWS} choose={change} />
        {visits.data && (
          <span className="muted" role="status">
            {visits.data.length === MOST ? `The ${count(MOST)} that were active last` : count(visits.data.length)} {of}
          </span>
        )}
      </div>
      {visits.isError && !wrong && <Failure error={visits.error} retry={() => void visits.refetch()} />}
      {visits.isPending && <Loading />}
      {visits.data && (visits.data.length > 0 ? <Visits of={of} found={visits.data} /> : <Nothing of={of} change={change} />)}
    </div>
  );
}

const FIRST: Record<"sessions" | "users", Column<Visit>> = {
  sessions: {
    key: "id",
    header: "Session",
    kind: "cut",
    cell: (row) => (
      <Link to="/sessions/$id" params={{ id: row.id }} search={{ tenant: row.tenant || undefined }}>
        {row.id}
      </Link>
    ),
  },
  users: {
    key: "id",
    header: "User",
    kind: "cut",
    cell: (row) => (
      <Link to="/users/$id" params={{ id: row.id }} search={(before) => ({ ...readPeriod(before, WINDOWS), tenant: row.tenant || undefined })}>
        {row.id}
      </Link>
    ),
  },
};

const SECOND: Record<"sessions" | "users", Column<Visit>> = {
  sessions: {
    key: "user",
    header: "User",
    kind: "cut",
    cell: (row) =>
      row.user && (
        <Link to="/users/$id" params={{ id: row.user }} search={(before) => ({ ...readPeriod(before, WINDOWS), tenant: row.tenant || undefined })}>
          {row.user}
        </Link>
      ),
  },
  users: { key: "sessions", header: "Sessions", kind: "number", cell: (row) => count(row.sessions), sort: (row) => row.sessions },
};

const REST: readonly Column<Visit>[] = [
  { key: "tenant", header: "Tenant", kind: "cut", cell: (row) => row.tenant },
  { key: "calls", header: "Calls", kind: "number", cell: (row) => count(row.calls), sort: (row) => row.calls },
  {
    key: "errors",
    header: "Failed",
    kind: "number",
    cell: (row) => (row.errors ? <span className="bad">✕ {count(row.errors)}</span> : "0"),
    sort: (row) => row.errors,
  },
  {
    key: "tokens",
    header: "Tokens",
    kind: "number",
    cell: (row) => `${brief(row.input_tokens)} + ${brief(row.output_tokens)}`,
    sort: (row) => row.input_tokens + row.output_tokens,
  },
  { key: "cost", header: "Cost", kind: "number", money: (row) => row.cost, sort: (row) => row.cost },
  { key: "score", header: "Feedback", cell: (row) => <Score value={row.score} />, sort: (row) => row.score ?? -1 },
  {
    key: "last",
    header: "Last",
    kind: "number",
    cell: (row) => <span title={`${time(row.first_ns)} – ${time(row.last_ns)}`}>{ago(row.last_ns)}</span>,
    sort: (row) => row.last_ns,
  },
];

/** Mean of what people said, 0 to 1. */
export function Score({ value }: { value: number | null }) {
  if (value === null) return <span className="muted">–</span>;
  return <Badge tone={value >= 0.5 ? "good" : "bad"}>{value.toFixed(2)}</Badge>;
}

export function Visits({ of, found, height = "calc(100vh - 300px)" }: { of: "sessions" | "users"; found: readonly Visit[]; height?: string }) {
  const columns = [FIRST[of], SECOND[of], ...REST];
  return <Table label={of === "users" ? "Users" : "Sessions"} rows={found} columns={columns} id={(row) => `${row.tenant} ${row.id}`} height={height} />;
}

function Nothing({ of, change }: { of: "sessions" | "users"; change: (part: Partial<ListSearch>) => void }) {
  const ever = useQuery(visitsQuery(of, {}));
  const calls = useQuery(countQuery({ wide: true }));
  if (ever.isPending || calls.isPending) return <Loading />;
  if (calls.data?.calls === 0) return <FirstCall />;
  if (ever.data?.length) {
    return (
      <Empty title={`No ${of} here`}>
        <button type="button" className="button" onClick={() => change({ q: undefined, window: "all", from: undefined, until: undefined })}>
          Look at all time, without a filter
        </button>
      </Empty>
    );
  }
  return of === "users" ? (
    <Empty title="No call named a user yet" command={`{"model": "assistant", "user": "u-17", "messages": [...]}`}>
      Say who asks in the request&rsquo;s <code>user</code>: an id of yours, no name and no address.
    </Empty>
  ) : (
    <Empty title="No call named a session yet" command="x-moat-session: s-1">
      Send this header with each call of a conversation, and it is told here in order.
    </Empty>
  );
}
