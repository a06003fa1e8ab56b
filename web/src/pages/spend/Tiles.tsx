import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { Forecast, Spend } from "../../api/schema";
import { brief, change, count, money } from "../../parts/format";
import type { Filters } from "./dimensions";
import { forecastQuery } from "./queries";
import styles from "./Spend.module.css";

interface TilesProps {
  total: Spend | undefined;
  before: Spend | undefined;
  days: number;
  filters: Filters;
}

/** The time shown in a few numbers, against as long a time before; and what the month will cost. */
export function Tiles({ total, before, days, filters }: TilesProps) {
  const forecast = useQuery(forecastQuery(filters));
  return (
    <dl className="tiles">
      <Cost cost={total?.cost ?? 0} before={before?.cost ?? 0} days={days} />
      <Month forecast={forecast.data} />
      {total && <Details total={total} />}
    </dl>
  );
}

function Cost({ cost, before, days }: { cost: number; before: number; days: number }) {
  const time = days === 1 ? "day" : `${days} days`;
  const against = change(cost, before);
  return (
    <Tile name={days === 1 ? "Cost today" : `Cost in ${time}`} about={against && `${against} against the ${time} before`}>
      {money(cost)}
    </Tile>
  );
}

function Details({ total }: { total: Spend }) {
  const { calls, refused, cost, unpriced, usage, hits, saved } = total;
  const paid = calls - refused;
  return (
    <>
      <Tile name="Calls" about={refused > 0 && `${count(refused)} refused before any request`}>
        {count(calls)}
      </Tile>
      <Tile name="Cost per call" about={unpriced > 0 && `${count(unpriced)} requests without a known price`}>
        {money(paid > 0 ? cost / paid : null)}
      </Tile>
      <Tile name="Tokens in, out" about={usage.cached > 0 && `${brief(usage.cached)} of the input cached by providers`}>
        {brief(usage.input)}, {brief(usage.output)}
      </Tile>
      <Tile name="Saved by the cache" about={hits > 0 ? `${count(hits)} calls answered` : "no call answered"}>
        {money(saved)}
      </Tile>
    </>
  );
}

function Tile({ name, about, children }: { name: string; about: string | false; children: ReactNode }) {
  return (
    <div className={`panel ${styles.tile}`}>
      <dt>{name}</dt>
      <dd className={styles.figure}>{children}</dd>
      <dd className="muted small">{about}</dd>
    </div>
  );
}

function Month({ forecast }: { forecast: Forecast | undefined }) {
  if (!forecast) return <Tile name="This month" about="">–</Tile>;
  const { expected, low, high, spent, days, month } = forecast;
  const sure = low !== null && high !== null ? `${money(low)} to ${money(high)} in 8 of 10 months` : expected === null ? "no whole day yet" : `from ${days} ${days === 1 ? "day" : "days"}: too few for an interval`;
  return (
    <Tile name={`${month}, at its end`} about={`${money(spent)} so far; ${sure}`}>
      {money(expected)}
    </Tile>
  );
}
