/** When what is served changed, as lines through a chart. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { answer, api } from "../api/client";
import type { ReleaseMark } from "../api/schema";
import type { Mark } from "./frame";
import type { Bounds } from "./period";

const HOUR_NS = 3600e9;
/** More lines than that would cover the chart. */
const MOST = 100;
const NONE: readonly ReleaseMark[] = [];

/** `production: support/answer@1.2.0`. */
export const markOf = (one: ReleaseMark): Mark => ({
  at_ns: one.at_ns,
  label: `${one.environment}: ${one.prompt}@${one.versions[0] ?? ""}${one.rolled_back ? ", rolled back" : ""}`,
});

/** The newest releases of a time, of one environment when it is named; none as long as they are not known. */
export function useReleaseMarks({ since_ns, until_ns }: Bounds, environment?: string): readonly Mark[] {
  // Whole hours: a time that moves on with the clock is not asked for anew each time.
  const from = since_ns === undefined ? undefined : Math.floor(since_ns / HOUR_NS) * HOUR_NS;
  const { data = NONE } = useQuery({
    queryKey: ["releases", "changes", from, until_ns, environment],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/changes", { params: { query: { since_ns: from, until_ns, environment, limit: MOST } }, signal })),
    placeholderData: keepPreviousData,
  });
  return useMemo(() => data.map(markOf), [data]);
}
