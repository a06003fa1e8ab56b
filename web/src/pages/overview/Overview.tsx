import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import type { Overview as Answer } from "../../api/schema";
import { FirstCall } from "../../parts/FirstCall";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { time } from "../../parts/format";
import { countQuery } from "../traces/queries";
import { Charts } from "./Charts";
import { Budgets, Firing, Releases } from "./Lists";
import { type OverviewSearch, WINDOWS } from "./routes";
import { Tiles } from "./Tiles";

const route = getRouteApi("/inside/");

/** Is it fast, cheap, reliable and good, now and against last week; and what happened. */
export function Overview() {
  const search = route.useSearch();
  const { window = "24h", environment } = search;
  const overview = useQuery({
    queryKey: ["overview", window, environment],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/overview", { params: { query: { window, environment } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
  const compared = overview.data && `Without evals, reruns and shadow copies; compared with ${time(overview.data.before_since_ns).slice(0, 10)}, the same time of the week`;
  return (
    <div className="page">
      <Heading title="Overview" about={compared}>
        <Choice search={search} />
      </Heading>
      <Shown query={overview}>{(found) => <Found overview={found} />}</Shown>
    </div>
  );
}

function Found({ overview }: { overview: Answer }) {
  const quiet = overview.now.calls === 0 && overview.before.calls === 0;
  return (
    <>
      <Firing alerts={overview.alerts} />
      {quiet ? (
        <Quiet />
      ) : (
        <>
          <Tiles overview={overview} />
          <Charts overview={overview} />
        </>
      )}
      <div className="columns">
        <Budgets budgets={overview.budgets} forecast={overview.forecast} />
        <Releases releases={overview.releases} />
      </div>
    </>
  );
}

/** Nothing in this time, or ever. */
function Quiet() {
  const ever = useQuery(countQuery({ q: "not environment = eval", wide: false }));
  if (ever.data?.calls === 0) return <FirstCall />;
  return <Empty title="No calls in this time">Choose a longer time, or other environments, above.</Empty>;
}

function Choice({ search }: { search: OverviewSearch }) {
  const navigate = useNavigate();
  const environments = useQuery({
    queryKey: ["serving", "environments"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/environments", { signal })),
  });
  const names = [...new Set((environments.data ?? []).map((one) => one.environment))].sort();
  const go = (change: OverviewSearch) => void navigate({ to: "/", search: { ...search, ...change } });
  return (
    <>
      <select aria-label="Environment" value={search.environment ?? ""} onChange={(event) => go({ environment: event.target.value || undefined })}>
        <option value="">All environments</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select aria-label="Time" value={search.window ?? "24h"} onChange={(event) => go({ window: WINDOWS.find((one) => one === event.target.value) })}>
        {WINDOWS.map((one) => (
          <option key={one} value={one}>
            Last {one}
          </option>
        ))}
      </select>
    </>
  );
}
