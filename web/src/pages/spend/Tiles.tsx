import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { Forecast, Spend } from "../../api/schema";
import { brief, change, count, money } from "../../parts/format";
import { isFixed, WINDOWS } from "../../parts/period";
import type { Filters } from "./dimensions";
import { forecastQuery } from "./queries";
import type { SpendPeriod } from "./search";
import styles from "./Spend.module.css";

interface TilesProps {
  total: Spend | undefined;
  before: Spend | undefined;
  period: SpendPeriod;
  past: boolean;
  filters: Filters;
}

/** The time shown in a few numbers, against as long a time before; and what the month will cost, as it is now. */
export function Tiles({ total, before, period, past, filters }: TilesProps) {
  const forecast = useQuery(forecastQuery(filters));
  return (
    <dl className="tiles">
      <Cost cost={total?.cost ?? 0} before={before?.cost ?? 0} period={period} />
      <Month forecast={forecast.data} past={past} />
      {total && <Details total={total} />}
    </dl>
  );
}

function Cost({ cost, before, period }: { cost: number; before: number; period: SpendPeriod }) {
  const { name, earlier } = timeWords(period);
  const against = change(cost, before);
  return (
    <Tile name={name} about={against && `${against} against ${earlier}`}>
      {money(cost)}
    </Tile>
  );
}

function timeWords(period: SpendPeriod): { name: string; earlier: string } {
  if (isFixed(period)) return { name: "Cost in this time", earlier: "as long a time before" };
  const { days } = WINDOWS[period.window];
  return days === 1 ? { name: "Cost today", earlier: "the day before" } : { name: `Cost in ${days} days`, earlier: `the ${days} days before` };
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

function Month({ forecast, past }: { forecast: Forecast | undefined; past: boolean }) {
  if (!forecast) return <Tile name="This month" about="">–</Tile>;
  const { expected, low, high, spent, days, month } = forecast;
  const sure = low !== null && high !== null ? `${money(low)} to ${money(high)} in 8 of 10 months` : expected === null ? "no whole day yet" : `from ${days} ${days === 1 ? "day" : "days"}: too few for an interval`;
  return (
    <Tile name={`${month}, at its end`} about={`${past ? "As it is now: " : ""}${money(spent)} so far; ${sure}`}>
      {money(expected)}
    </Tile>
  );
}
