import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import type { Overview as Answer } from "../../api/schema";
import { FirstCall } from "../../parts/FirstCall";
import { Heading } from "../../parts/Heading";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { boundsOf, drawn, isFixed, isPast, periodOf } from "../../parts/period";
import { Empty, Shown } from "../../parts/States";
import { time } from "../../parts/format";
import { TRAFFIC } from "../../parts/traffic";
import { environmentsQuery } from "../releases/queries";
import { countQuery } from "../traces/queries";
import { Charts } from "./Charts";
import { Budgets, Firing, Releases } from "./Lists";
import { MOST, type OverviewPeriod, type OverviewSearch, WINDOWS } from "./search";
import { Tiles } from "./Tiles";

const route = getRouteApi("/inside/");

/** Is it fast, cheap, reliable and good, now and against last week; and what happened. */
export function Overview() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const period = periodOf(search, "24h");
  const overview = useQuery(overviewQuery(period, search.environment));
  const change = (part: OverviewSearch) => void navigate({ to: "/", search: { ...search, ...part } });
  const compared = overview.data && `Without evals, reruns and shadow copies; compared with ${time(overview.data.before_since_ns).slice(0, 10)}, the same time of the week`;
  return (
    <div className="page">
      <Heading title="Overview" about={compared}>
        <Environment chosen={search.environment} choose={(environment) => change({ environment })} />
        <PeriodChoice period={period} windows={WINDOWS} choose={change} most={MOST} />
      </Heading>
      <Shown query={overview}>
        {(found) => <Found overview={found} past={isPast(period, overview.dataUpdatedAt)} zoom={(since_ns, until_ns) => change(drawn(since_ns, until_ns))} />}
      </Shown>
    </div>
  );
}

const overviewQuery = (period: OverviewPeriod, environment: string | undefined) => {
  const { window, from, until } = period;
  return queryOptions({
    queryKey: ["overview", isFixed(period) ? { from, until } : window, environment],
    queryFn: ({ signal }) => {
      const time = isFixed(period) ? boundsOf(period, Date.now()) : { window };
      return answer(api.GET("/api/v1/overview", { params: { query: { ...time, environment } }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
};

interface FoundProps {
  overview: Answer;
  past: boolean;
  zoom: (since_ns: number, until_ns: number) => void;
}

function Found({ overview, past, zoom }: FoundProps) {
  const quiet = overview.now.calls === 0 && overview.before.calls === 0;
  return (
    <>
      <Firing alerts={overview.alerts} past={past} />
      {quiet ? (
        <Quiet />
      ) : (
        <>
          <Tiles overview={overview} />
          <Charts overview={overview} past={past} zoom={zoom} />
        </>
      )}
      <div className="columns">
        <Budgets budgets={overview.budgets} forecast={overview.forecast} past={past} />
        <Releases releases={overview.releases} />
      </div>
    </>
  );
}

/** Nothing in this time, or ever. */
function Quiet() {
  const ever = useQuery(countQuery({ q: TRAFFIC, wide: false }));
  if (ever.data?.calls === 0) return <FirstCall />;
  return <Empty title="No calls in this time">Choose another time, or other environments, above.</Empty>;
}

function Environment({ chosen, choose }: { chosen: string | undefined; choose: (environment: string | undefined) => void }) {
  const environments = useQuery(environmentsQuery);
  const names = [...new Set((environments.data ?? []).map((one) => one.environment))].sort();
  return (
    <select aria-label="Environment" value={chosen ?? ""} onChange={(event) => choose(event.target.value || undefined)}>
      <option value="">All environments</option>
      {names.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}
