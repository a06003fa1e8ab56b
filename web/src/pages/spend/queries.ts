/** What the pages about money ask for. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import { DAY_NS, type Dimension, type Filters, daysUntil, slotsSince } from "./dimensions";

/** Sums over the days shown: in all, by one dimension, day by day, and of as many days before. */
export const spendQuery = (filters: Filters, by: Dimension, days: number) =>
  queryOptions({
    queryKey: ["usage", "spend", filters, by, days],
    queryFn: async ({ signal }) => {
      const { since_ns, offset_ns } = daysUntil(new Date(), days);
      const before_ns = since_ns - days * DAY_NS;
      // Up to the same time of the day as now.
      const until_ns = Date.now() * 1e6 - days * DAY_NS;
      const asked = (query: Record<string, string | number>) => answer(api.GET("/api/v1/spend", { params: { query: { ...filters, ...query } }, signal }));
      const [total, before, groups, daily] = await Promise.all([
        asked({ since_ns }),
        asked({ since_ns: before_ns, until_ns }),
        asked({ since_ns, by }),
        asked({ since_ns, by, step_ns: days === 1 ? DAY_NS / 24 : DAY_NS, offset_ns: days === 1 ? 0 : offset_ns }),
      ]);
      return { slots: slotsSince(since_ns, days), total: total[0], before: before[0], groups, daily };
    },
    placeholderData: (last) => last,
  });

/** What the present month will have cost. */
export const forecastQuery = (filters: Filters) =>
  queryOptions({
    queryKey: ["usage", "forecast", filters],
    queryFn: ({ signal }) => {
      const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      return answer(api.GET("/api/v1/spend/forecast", { params: { query: { ...filters, timezone } }, signal }));
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
