import { useMemo } from "react";

import type { Spend } from "../../api/schema";
import { Chart } from "../../parts/Chart";
import { money } from "../../parts/format";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { costBy, trend } from "./trend";

interface TrendProps {
  daily: readonly Spend[];
  groups: readonly Spend[];
  /** Starts of the slots that there are. */
  slots: readonly number[];
  step_ns: number;
  /** End of the last one, as far as it has come. */
  since_ns: number;
  until_ns: number;
  past: boolean;
  environment: string | undefined;
  name: (group: string) => string;
  zoom: (since_ns: number, until_ns: number) => void;
}

/** Cost over time, of the groups that cost most. */
export function Trend({ daily, groups, slots, step_ns, since_ns, until_ns, past, environment, name, zoom }: TrendProps) {
  const { times, series } = useMemo(() => trend(daily, groups, slots, name), [daily, groups, slots, name]);
  const marks = useReleaseMarks({ since_ns: slots[0], until_ns: past ? until_ns : undefined }, environment);
  return (
    <section className="panel" aria-label="Over time">
      <h2 className="hidden-visually">Over time</h2>
      <Chart title={costBy(step_ns)} times={times} series={series} format={money} since_ns={since_ns} until_ns={until_ns} past={past} marks={marks} height={200} zoom={zoom} />
    </section>
  );
}
