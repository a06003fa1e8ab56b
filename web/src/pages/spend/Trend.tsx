import { useMemo } from "react";

import type { Spend } from "../../api/schema";
import { Chart } from "../../parts/Chart";
import { money } from "../../parts/format";
import { useReleaseMarks } from "../../parts/releaseMarks";
import { trend } from "./trend";

interface TrendProps {
  daily: readonly Spend[];
  groups: readonly Spend[];
  /** Starts of the slots that there are. */
  slots: readonly number[];
  /** End of the last one, as far as it has come. */
  until_ns: number;
  environment: string | undefined;
  name: (group: string) => string;
  hourly: boolean;
}

/** Cost day by day, of the groups that cost most. */
export function Trend({ daily, groups, slots, until_ns, environment, name, hourly }: TrendProps) {
  const { times, series } = useMemo(() => trend(daily, groups, slots, name), [daily, groups, slots, name]);
  const marks = useReleaseMarks(slots[0], environment);
  return (
    <section className="panel" aria-label="Over time">
      <Chart title={hourly ? "Cost by the hour" : "Cost by the day"} times={times} series={series} format={money} until_ns={until_ns} marks={marks} height={200} />
    </section>
  );
}
