/** What the pages about money ask for. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import { daysBefore, localStarts, midnight, timezone } from "../../parts/localTime";
import { DAY, boundsOf, isFixed, isPast, lengthOf, WINDOWS } from "../../parts/period";
import type { Dimension, Filters } from "./dimensions";
import type { SpendPeriod } from "./search";
import { pointOf } from "./trend";

/** Sums over the time shown: in all, by one dimension, slot by slot, and of as long a time before. */
export const spendQuery = (filters: Filters, by: Dimension, period: SpendPeriod) =>
  queryOptions({
    queryKey: ["usage", "spend", filters, by, period],
    queryFn: async ({ signal }) => {
      const now = new Date();
      const { since_ns = 0, until_ns: end } = boundsOf(period, now.getTime());
      const until_ns = Math.min(end ?? Infinity, now.getTime() * 1e6);
      const step_ns = pointOf(isFixed(period) ? (lengthOf(period, now.getTime()) ?? 0) : WINDOWS[period.window].days * DAY);
      const time = { since_ns, ...(end !== undefined && { until_ns: end }) };
      const asked = (query: Record<string, string | number>) => answer(api.GET("/api/v1/spend", { params: { query: { ...filters, ...query } }, signal }));
      const [total, before, groups, daily] = await Promise.all([
        asked(time),
        asked(timeBefore(period, since_ns, until_ns, now)),
        asked({ ...time, by }),
        asked({ ...time, by, step_ns, timezone: timezone() }),
      ]);
      const slots = localStarts(since_ns, until_ns, step_ns);
      return { slots, step_ns, since_ns, until_ns, past: isPast(period, now.getTime()), total: total[0], before: before[0], groups, daily };
    },
    placeholderData: (last) => last,
  });

/** As long a time before; of days as many, up to the same time of the day as now. */
function timeBefore(period: SpendPeriod, since_ns: number, until_ns: number, now: Date) {
  if (isFixed(period)) return { since_ns: 2 * since_ns - until_ns, until_ns: since_ns };
  const { days } = WINDOWS[period.window];
  return { since_ns: midnight(now, 2 * days - 1), until_ns: daysBefore(now, days) };
}

/** What the present month will have cost. */
export const forecastQuery = (filters: Filters) =>
  queryOptions({
    queryKey: ["usage", "forecast", filters],
    queryFn: ({ signal }) => {
      return answer(api.GET("/api/v1/spend/forecast", { params: { query: { ...filters, timezone: timezone() } }, signal }));
    },
    staleTime: 60_000,
  });

export const limitsQuery = queryOptions({
  queryKey: ["usage", "limits"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/limits", { params: { query: { limit: 1000 } }, signal })),
});

export const rulesQuery = queryOptions({
  queryKey: ["serving", "limits"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/limits/rules", { signal })),
});

export const spikesQuery = queryOptions({
  queryKey: ["alerts", "spikes"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/spikes", { params: { query: { limit: 50 } }, signal })),
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/keys", { signal })),
});
