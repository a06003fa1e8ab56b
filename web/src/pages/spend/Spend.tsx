import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

import type { Spend as Sums } from "../../api/schema";
import { useMay } from "../../api/session";
import { callsOf } from "../../parts/calls";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { type PeriodSearch, drawn, periodOf, readPeriod } from "../../parts/period";
import { Empty, Shown } from "../../parts/States";
import { DIMENSIONS, type Dimension, type Filters, following, NAMES, readFilters } from "./dimensions";
import { FilterChips } from "./FilterChips";
import { Groups } from "./Groups";
import { Head } from "./Head";
import { keysQuery, spendQuery } from "./queries";
import { type SpendPeriod, WINDOWS } from "./search";
import styles from "./Spend.module.css";
import { Tiles } from "./Tiles";
import { Trend } from "./Trend";

const route = getRouteApi("/inside/spend");

/** Who and what costs how much: by any dimension, narrowed by clicking. */
export function Spend() {
  const search = route.useSearch();
  const { by = "feature" } = search;
  const period = periodOf(search, "30days");
  const filters = readFilters({ ...search });
  const navigate = useNavigate();
  const go = ({ filters: narrowed = filters, ...change }: { filters?: Filters; by?: Dimension } & PeriodSearch<SpendPeriod["window"]>) =>
    void navigate({ to: "/spend", search: { ...narrowed, ...readPeriod({ ...search }, WINDOWS), by, ...change } });
  const narrow = (value: string) => go({ filters: { ...filters, [by]: value }, by: following(by, filters) });
  const spend = useQuery(spendQuery(filters, by, period));
  const name = useNames(by);
  return (
    <div className="page">
      <Head title="Spend" about="What requests to providers cost, to the last picodollar: all of them, with those of evals and the playground." />
      <div className="row">
        <By by={by} choose={go} />
        <PeriodChoice period={period} windows={WINDOWS} choose={go} />
      </div>
      <div className="row spread">
        <FilterChips filters={filters} set={(next) => go({ filters: next })} />
        <Link to="/traces" search={{ q: callsOf(filters) || undefined, from: search.from ?? (spend.data && spend.data.since_ns / 1e6), until: search.until }}>
          Show these calls
        </Link>
      </div>
      <Shown query={spend}>
        {(found) => (
          <div className="page" aria-busy={spend.isPlaceholderData}>
            <Tiles total={found.total} before={found.before} period={period} past={found.past} filters={filters} />
            {found.groups.length === 0 ? (
              <Nothing narrowed={Object.keys(filters).length > 0} />
            ) : (
              <>
                <Trend {...found} environment={filters.environment} name={name} zoom={(since_ns, until_ns) => go(drawn(since_ns, until_ns))} />
                <Groups key={by} by={by} groups={found.groups} total={totalOf(found.total)} name={name} narrow={narrow} />
              </>
            )}
          </div>
        )}
      </Shown>
    </div>
  );
}

const totalOf = (total: Sums | undefined): number => total?.cost ?? 0;

/** Groups by name; keys by what they are called, for those who may know. */
function useNames(by: Dimension): (group: string) => string {
  const may = useMay("admin");
  const keys = useQuery({ ...keysQuery, enabled: may && by === "key" });
  const known = keys.data;
  return useCallback(
    (group: string) => {
      if (!group) return `no ${DIMENSIONS[by].toLowerCase()}`;
      const key = by === "key" ? known?.find((one) => one.id === group)?.name : undefined;
      return key ? `${key} (${group})` : group;
    },
    [by, known],
  );
}

function By({ by, choose }: { by: Dimension; choose: (next: { by: Dimension }) => void }) {
  return (
    <label className={styles.choice}>
      By
      <select value={by} onChange={(event) => choose({ by: event.target.value as Dimension })}>
        {NAMES.map((one) => (
          <option key={one} value={one}>
            {DIMENSIONS[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

function Nothing({ narrowed }: { narrowed: boolean }) {
  if (narrowed) return <p className="panel">No requests match these filters in this time.</p>;
  return (
    <Empty title="Nothing was spent in this time" command="moat keys create --name my-app --tenant acme">
      Each request to a provider stands here with its cost, by whom and for what. Make a key for an application and let it call.
    </Empty>
  );
}
