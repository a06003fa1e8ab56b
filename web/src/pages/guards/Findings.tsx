import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { answer, api } from "../../api/client";
import type { FindingCount } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Chart } from "../../parts/Chart";
import { ago, brief, count } from "../../parts/format";
import { localStarts, timezone } from "../../parts/localTime";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { spread } from "../overview/slots";
import { type FindingSearch, SPANS } from "./routes";

const route = getRouteApi("/inside/guards/");
const HOUR_NS = 3600e9;
/** Groups of findings, those with the most calls. */
const MOST = 1000;
const LENGTHS = { "24h": { ns: 24 * HOUR_NS, step: HOUR_NS }, "7d": { ns: 168 * HOUR_NS, step: 6 * HOUR_NS }, "30d": { ns: 720 * HOUR_NS, step: 24 * HOUR_NS } };

/** Findings over time, and by guard, kind and place. */
export function Findings() {
  const search = route.useSearch();
  const window = search.window ?? "7d";
  const found = useQuery({
    queryKey: ["usage", "findings", window],
    queryFn: async ({ signal }) => {
      const { ns, step } = LENGTHS[window];
      const until_ns = Date.now() * 1e6;
      const since_ns = until_ns - ns;
      const query = { since_ns, until_ns, limit: MOST };
      const ask = (slots: { step_ns?: number; timezone?: string }) => answer(api.GET("/api/v1/findings", { params: { query: { ...query, ...slots } }, signal }));
      const [all, slots] = await Promise.all([ask({}), ask({ step_ns: step, timezone: timezone() })]);
      return { all, slots, times: localStarts(since_ns, until_ns, step), until_ns };
    },
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <Choice search={search} />
      <Shown query={found}>
        {(data) =>
          data.all.length === 0 ? (
            <Empty title="Guards found nothing in this time" command="moat guard test">
              Without a policy they look for nothing: <Link to="/guards/policies">policies</Link> are files beside the prompts.
            </Empty>
          ) : (
            <Found {...data} guard={search.guard} />
          )
        }
      </Shown>
    </>
  );
}

interface Answers {
  all: FindingCount[];
  slots: FindingCount[];
  times: number[];
  until_ns: number;
}

function Found({ all, slots, times, until_ns, guard }: Answers & { guard?: string }) {
  const marks = useReleaseMarks(times[0]);
  const series = useMemo(() => lines(slots, times, guard), [slots, times, guard]);
  const rows = guard ? all.filter((one) => one.guard === guard) : all;
  return (
    <>
      <div className="panel">
        <Chart title={guard ? `Calls with findings of ${guard}` : "Calls with findings"} times={times} series={series} until_ns={until_ns} marks={marks} format={brief} />
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
      <Link to="/guards" search={{ guard: one.guard }}>
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

function Choice({ search }: { search: FindingSearch }) {
  const navigate = useNavigate();
  const go = (change: FindingSearch) => void navigate({ to: "/guards", search: { ...search, ...change } });
  return (
    <div className="row">
      <select aria-label="Time" value={search.window ?? "7d"} onChange={(event) => go({ window: SPANS.find((one) => one === event.target.value) })}>
        {SPANS.map((one) => (
          <option key={one} value={one}>
            Last {one}
          </option>
        ))}
      </select>
      {search.guard && (
        <Link to="/guards" search={{ window: search.window }} className="button">
          All guards
        </Link>
      )}
    </div>
  );
}
