/** What the pages about releases ask for. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import type { Arm, Assignment, Release } from "../../api/schema";
import { type Period, isPast } from "../../parts/period";
import { type Window, slotsOf } from "./spans";

export const environmentsQuery = queryOptions({
  queryKey: ["releases", "environments"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/environments", { signal })),
});

export const releasesQuery = (prompt = "") =>
  queryOptions({
    queryKey: ["releases", "list", prompt],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/releases", { params: { query: prompt ? { prompt } : {} }, signal })),
  });

export const releaseQuery = (id: string) =>
  queryOptions({
    queryKey: ["releases", "one", id],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/releases/{id}", { params: { path: { id } }, signal })),
  });

export const historyQuery = (prompt: string, environment: string) =>
  queryOptions({
    queryKey: ["releases", "history", prompt, environment],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/history", { params: { query: { prompt, environment } }, signal })),
  });

/** What each environment demands. */
export const rulesQuery = queryOptions({
  queryKey: ["releases", "rules"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/environments/rules", { signal })),
});

/** What is missing until an environment may serve a release (an id, or a version) to everybody. Windows of a freeze open by the clock. */
export const clearanceQuery = (prompt: string, environment: string, release: string) =>
  queryOptions({
    queryKey: ["releases", "clearance", prompt, environment, release],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/clearance", { params: { query: { prompt, environment, release } }, signal })),
    refetchInterval: 60_000,
  });

/** Users of the last hour: up to a thousand. */
export const usersQuery = (prompt: string, environment: string) =>
  queryOptions({
    queryKey: ["live", "users", prompt, environment],
    queryFn: ({ signal }) => {
      const since_ns = (Date.now() - 3600_000) * 1e6;
      return answer(api.GET("/api/v1/users", { params: { query: { prompt, environment, since_ns, limit: MOST_USERS } }, signal }));
    },
    staleTime: 60_000,
  });
export const MOST_USERS = 1000;

/** Which calls: of a prompt in an environment; of one rollout, or of whatever was served when that is empty. */
export interface Calls {
  prompt: string;
  environment: string;
  experiment: string;
}

/** Calls of each arm (of each release, where there are no arms), in all and in the slots of a time. */
export const armsQuery = ({ experiment, ...place }: Calls, period: Period<Window>) =>
  queryOptions({
    queryKey: ["usage", "arms", place, experiment, period],
    queryFn: async ({ signal }) => {
      const now = Date.now();
      const { times, step_ns, since_ns, until_ns } = slotsOf(period, now);
      const past = isPast(period, now);
      const query = { ...place, ...(experiment ? { experiment, by: "arm" } : { by: "release" }), since_ns, ...(past && { until_ns }) };
      const divided = { ...query, step_ns };
      const [totals, series, scores, scored] = await Promise.all([
        answer(api.GET("/api/v1/measures", { params: { query }, signal })),
        answer(api.GET("/api/v1/measures", { params: { query: divided }, signal })),
        answer(api.GET("/api/v1/scores", { params: { query }, signal })),
        answer(api.GET("/api/v1/scores", { params: { query: divided }, signal })),
      ]);
      return { times, since_ns, until_ns, past, totals, series, scores, scored };
    },
  });

/** What a rollback would serve; empty when there was nothing before. */
export const goesBackTo = (assignment: Assignment): string => assignment.replaces[0]?.release ?? "";

/** The release that most are served with. */
export function mainRelease(assignment: Assignment): string {
  const [first, ...rest] = assignment.arms;
  if (!first) return "";
  return rest.reduce((most, arm) => (weightOf(arm) > weightOf(most) ? arm : most), first).release;
}

/** The release that an assignment is about: the new one of a rollout, else the one that everybody gets. */
export function newRelease(assignment: Assignment): string {
  if (assignment.progress === "closed") return mainRelease(assignment);
  return (assignment.shadow ?? assignment.arms[0])?.release ?? "";
}

/** What the API leaves out of an arm is what it is by default. */
export const weightOf = (arm: Arm): number => arm.weight ?? 1;
export const nameOf = (arm: Arm): string => arm.name ?? "";

/** An arm's part of the users, 0 to 1. */
export function share(assignment: Assignment, arm: Arm): number {
  const total = assignment.arms.reduce((sum, each) => sum + weightOf(each), 0);
  return total > 0 ? weightOf(arm) / total : 0;
}

/** `1.2.0` of a release whose manifest is there, else its id. */
export const versionOf = (releases: readonly Release[], id: string): string => releases.find((one) => one.id === id)?.content.version ?? id;
