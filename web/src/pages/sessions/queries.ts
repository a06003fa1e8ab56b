/** What these pages ask of the API. Keys begin with a topic of api/events.ts. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import type { CallRow } from "../../api/schema";
import { timezone } from "../../parts/localTime";
import type { Bounds } from "../../parts/period";
import type { CallFilter } from "../traces/search";

/** Rows of a list at most; the API's own bound. */
export const MOST = 1000;

export const visitsQuery = (of: "sessions" | "users", filter: Omit<CallFilter, "wide"> & { user?: string; tenant?: string }) =>
  queryOptions({
    queryKey: ["traces", of, filter],
    queryFn: ({ signal }) =>
      of === "users"
        ? answer(api.GET("/api/v1/users", { params: { query: { ...filter, limit: MOST } }, signal }))
        : answer(api.GET("/api/v1/sessions", { params: { query: { ...filter, limit: MOST } }, signal })),
  });

export interface Story {
  /** Oldest first. */
  calls: CallRow[];
  /** Are there older ones that are not listed? */
  cut: boolean;
}

/** The calls of a session, oldest first: the last thousand of them. */
export const storyQuery = (session: string, tenant: string | undefined) =>
  queryOptions({
    queryKey: ["traces", "story", session, tenant],
    queryFn: async ({ signal }): Promise<Story> => {
      const got = await answer(api.GET("/api/v1/calls", { params: { query: { session, tenant, limit: MOST } }, signal }));
      return { calls: got.calls.reverse(), cut: got.next !== "" };
    },
  });

interface Whose extends Bounds {
  user: string;
  tenant?: string;
}

/** In all, or in slots of time on the reader's clock. */
export const userUsageQuery = (whose: Whose, step_ns: number) =>
  queryOptions({
    queryKey: ["usage", "user", whose, step_ns],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/usage", { params: { query: { ...whose, ...(step_ns ? { step_ns, timezone: timezone() } : {}) } }, signal })),
  });

export const userFailuresQuery = (whose: Whose) =>
  queryOptions({
    queryKey: ["traces", "failures", whose],
    queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/calls", { params: { query: { ...whose, failed: true, limit: 20 } }, signal }))).calls,
  });

export const userOpinionsQuery = (whose: Whose) =>
  queryOptions({
    queryKey: ["traces", "opinions", whose],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/opinions", { params: { query: { ...whose, limit: 20, said_by: "person" } }, signal })),
  });
