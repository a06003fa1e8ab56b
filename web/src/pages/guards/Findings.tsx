import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { answer, api } from "../../api/client";
import type { FindingCount } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Chart } from "../../parts/Chart";
import { ago, brief, count } from "../../parts/format";
import { localStarts, timezone } from "../../parts/localTime";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { boundsOf, drawn, isPast, periodOf, readPeriod, stepOf } from "../../parts/period";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { onlyTraffic } from "../../parts/traffic";
import { spread } from "../overview/slots";
import { EnvironmentChoice, LeftOut } from "../traces/EnvironmentChoice";
import { policiesQuery } from "./queries";
import { type FindingSearch, WINDOWS } from "./search";

const route = getRouteApi("/inside/guards/");
/** Groups of findings, those with the most calls. */
const MOST = 1000;

/** Findings over time, and by guard, kind and place. */
export function Findings() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const [shownAt] = useState(() => Date.now());
  const period = periodOf(search, "7d");
  const { environment, calls } = search;
  const change = (part: FindingSearch) => void navigate({ to: "/guards", search: { ...search, ...part } });
  const found = useQuery({
    queryKey: ["usage", "findings", period, environment, calls],
    queryFn: async ({ signal }) => {
      const now = Date.now();
      const { since_ns = 0, until_ns: end = Infinity } = boundsOf(period, now);
      const until_ns = Math.min(end, now * 1e6);
      const step = stepOf((until_ns - since_ns) / 1e6);
      const query = { since_ns, until_ns, limit: MOST, environment, q: onlyTraffic(calls) };
      const ask = (slots: { step_ns?: number; timezone?: string }) => answer(api.GET("/api/v1/findings", { params: { query: { ...query, ...slots } }, signal }));
      const [all, slots] = await Promise.all([ask({}), ask({ step_ns: step, timezone: timezone() })]);
      return { all, slots, times: localStarts(since_ns, until_ns, step), since_ns, until_ns, past: isPast(period, now) };
    },
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <div className="row">
        <PeriodChoice period={period} windows={WINDOWS} choose={change} />
        <EnvironmentChoice search={search} since_ns={boundsOf(period, shownAt).since_ns} change={change} />
        {search.guard && (
          <Link to="/guards" search={{ ...search, guard: undefined }} className="button">
            All guards
          </Link>
        )}
      </div>
      <LeftOut search={search} change={change} />
      <Shown query={found}>
        {(data) =>
          data.all.length === 0 ? (
            <Nothing />
          ) : (
            <Found {...data} guard={search.guard} zoom={(since_ns, until_ns) => change(drawn(since_ns, until_ns))} />
          )
        }
      </Shown>
    </>
  );
}

/** Nothing was found: because nothing is looked for, or because nothing was there. */
function Nothing() {
  const policies = useQuery(policiesQuery).data;
  if (!policies) return <Empty title="Guards found nothing in this time" />;
  if (policies.length === 0) {
    return (
      <Empty title="Guards look for nothing" command="moat guard list">
        There is no policy: see <Link to="/guards/policies">Policies</Link> for where one stands. The command lists what guards can look for.
      </Empty>
    );
  }
  return (
    <Empty title="Guards found nothing in this time" command={'moat guard check "My address is ada@example.org"'}>
      They look at calls by {policies.length === 1 ? "the policy" : "the policies"} <Link to="/guards/policies">{policies.map((one) => one.name).join(", ")}</Link>. What they would
      find in a text, and do with it, is seen in <Link to="/guards/try">Try a text</Link>, or by the command.
    </Empty>
  );
}

interface Answers {
  all: FindingCount[];
  slots: FindingCount[];
  times: number[];
  since_ns: number;
  until_ns: number;
  past: boolean;
}

interface FoundProps extends Answers {
  guard?: string;
  zoom: (since_ns: number, until_ns: number) => void;
}

function Found({ all, slots, times, since_ns, until_ns, past, guard, zoom }: FoundProps) {
  const marks = useReleaseMarks({ since_ns: times[0], until_ns: past ? until_ns : undefined });
  const series = useMemo(() => lines(slots, times, guard), [slots, times, guard]);
  const rows = guard ? all.filter((one) => one.guard === guard) : all;
  return (
    <>
      <h2 className="hidden-visually">Over time</h2>
      <div className="panel">
        <Chart title={guard ? `Calls with findings of ${guard}` : "Calls with findings"} times={times} series={series} since_ns={since_ns} until_ns={until_ns} past={past} marks={marks} format={brief} zoom={zoom} />
      </div>
      <Table label="Findings" rows={rows} columns={COLUMNS} id={(one) => [one.guard, one.kind, one.place, one.action].join(" ")} />
    </>
  );
}

/** Six guards at most, those with the most calls: more lines cannot be told apart. */
function lines(slots: FindingCount[], times: number[], guard?: string) {
  const shown = guard ? slots.filter((one) => one.guard === guard) : slots;
  const name = (one: FindingCount) => (guard ? one.kind : one.guard);
  const sums = new Map<string, number>();
  for (const one of shown) sums.set(name(one), (sums.get(name(one)) ?? 0) + one.calls);
  const most = [...sums].sort(([, a], [, b]) => b - a).slice(0, 6);
  return most.map(([label]) => {
    const own = new Map<number, number>();
    for (const one of shown) if (name(one) === label) own.set(one.slot_ns, (own.get(one.slot_ns) ?? 0) + one.calls);
    const points = [...own].map(([start_ns, calls]) => ({ start_ns, calls }));
    return { label, values: spread(times, points, (one) => one.calls, 0) };
  });
}

const TONES: Partial<Record<FindingCount["action"], Tone>> = { block: "bad", redact: "warn", review: "warn", flag: "accent" };

const COLUMNS: Column<FindingCount>[] = [
  {
    key: "guard",
    header: "Guard",
    cell: (one) => (
      <Link to="/guards" search={(before) => ({ ...readPeriod(before, WINDOWS), environment: before.environment, calls: before.calls, guard: one.guard })}>
        {one.guard}
      </Link>
    ),
    sort: (one) => one.guard,
  },
  { key: "kind", header: "Found", cell: (one) => one.kind, sort: (one) => one.kind },
  { key: "place", header: "In", cell: (one) => one.place },
  { key: "action", header: "Done", cell: (one) => (one.action ? <Badge tone={TONES[one.action] ?? "neutral"}>{one.action}</Badge> : "nothing") },
  { key: "calls", header: "Calls", kind: "number", cell: (one) => count(one.calls), sort: (one) => one.calls },
  { key: "findings", header: "Findings", kind: "number", cell: (one) => count(one.findings), sort: (one) => one.findings },
  {
    key: "last",
    header: "Last",
    cell: (one) => (
      <Link to="/traces/$id" params={{ id: one.last_request }}>
        {ago(one.last_ns)}
      </Link>
    ),
    sort: (one) => one.last_ns,
  },
];
