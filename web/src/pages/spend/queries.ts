/** What the pages about money ask for. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import { daysBefore, localStarts, midnight, timezone } from "../../parts/localTime";
import type { Dimension, Filters } from "./dimensions";

const HOUR_NS = 3600e9;

/** Sums over the days shown: in all, by one dimension, day by day, and of as many days before. */
export const spendQuery = (filters: Filters, by: Dimension, days: number) =>
  queryOptions({
    queryKey: ["usage", "spend", filters, by, days],
    queryFn: async ({ signal }) => {
      const now = new Date();
      const since_ns = midnight(now, days - 1);
      const step_ns = days === 1 ? HOUR_NS : 24 * HOUR_NS;
      const asked = (query: Record<string, string | number>) => answer(api.GET("/api/v1/spend", { params: { query: { ...filters, ...query } }, signal }));
      const [total, before, groups, daily] = await Promise.all([
        asked({ since_ns }),
        // Up to the same time of the day as now.
        asked({ since_ns: midnight(now, 2 * days - 1), until_ns: daysBefore(now, days) }),
        asked({ since_ns, by }),
        asked({ since_ns, by, step_ns, timezone: timezone() }),
      ]);
      const until_ns = now.getTime() * 1e6;
      return { slots: localStarts(since_ns, until_ns, step_ns), until_ns, total: total[0], before: before[0], groups, daily };
    },
    placeholderData: (last) => last,
  });

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
  queryFn: async ({ signal }) => {
    const counters = await answer(api.GET("/api/v1/limits", { params: { query: { limit: 1000 } }, signal }));
    return { counters, asked_ms: Date.now() };
  },
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
