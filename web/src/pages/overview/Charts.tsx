import { useMemo } from "react";

import type { Overview } from "../../api/schema";
import { Chart, type ChartProps, type Series } from "../../parts/Chart";
import { brief, duration, money, percent } from "../../parts/format";
import { markOf } from "../../parts/releaseMarks";
import styles from "./Charts.module.css";
import { spread, starts } from "./slots";

/** What the tiles come from, over time; every release is a line through all charts. */
export function Charts({ overview, past, zoom }: { overview: Overview } & Pick<ChartProps, "past" | "zoom">) {
  const drawn = useMemo(() => draw(overview), [overview]);
  const { times, marks } = drawn;
  const all = { times, marks, since_ns: overview.since_ns, until_ns: overview.until_ns, past, zoom };
  return (
    <div className={styles.charts}>
      <h2 className="hidden-visually">Over time</h2>
      <Panel title="Calls" {...all} series={drawn.calls} format={brief} />
      <Panel title="Latency" {...all} series={drawn.latency} format={duration} />
      <Panel title="Cost" {...all} series={drawn.cost} format={money} />
      {drawn.scores.length > 0 && <Panel title="Scores" {...all} series={drawn.scores} format={percent} />}
    </div>
  );
}

function Panel(props: ChartProps) {
  return (
    <div className="panel">
      <Chart {...props} />
    </div>
  );
}

function draw(overview: Overview) {
  const times = starts(overview.since_ns, overview.until_ns, overview.step_ns);
  const { series } = overview;
  const names = [...new Set(overview.score_series.map((one) => `${one.name} (${one.source})`))];
  return {
    times,
    marks: overview.releases.map(markOf),
    calls: [
      { label: "calls", values: spread(times, series, (one) => one.calls, 0) },
      { label: "failed", values: spread(times, series, (one) => one.errors, 0), dashed: true },
    ],
    latency: [
      { label: "p50", values: spread(times, series, (one) => one.p50_ns || null, null) },
      { label: "p95", values: spread(times, series, (one) => one.p95_ns || null, null), dashed: true },
      { label: "first token", values: spread(times, series, (one) => one.first_token_p50_ns || null, null) },
    ],
    cost: [{ label: "cost", values: spread(times, series, (one) => one.cost, 0) }],
    scores: names.map((label): Series => {
      const own = overview.score_series.filter((one) => `${one.name} (${one.source})` === label);
      return { label, values: spread(times, own, (one) => one.mean, null) };
    }),
  };
}
