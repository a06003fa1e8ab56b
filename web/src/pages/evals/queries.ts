/** What these pages ask of the API. Keys begin with a topic of api/events.ts. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import { grown, joined } from "../../api/growing";
import type { RunPage, RunResult } from "../../api/schema";
import type { CompareSearch, PowerSearch, RunSearch, RunsSearch } from "./search";
import { unfinished } from "./runs";

/** Runs that are asked for at once. */
const RUNS = 100;
/** Runs that one can be compared with, of those that asked the same: the newest. */
const MOST_LIKE = 200;
const ANSWERS = 200;
const CASES = 30;
/** Pages that are looked through for one case. */
const MOST_PAGES = 20;

export const suitesQuery = queryOptions({
  queryKey: ["runs", "suites"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/suites", { signal })),
});

export const datasetsQuery = queryOptions({
  queryKey: ["runs", "datasets"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/datasets", { signal })),
});

/** The newest runs, with those of the first page that they stand above. */
function withNewer(fresh: RunPage, known: RunPage): RunPage {
  const runs = joined(fresh.runs, known.runs, (run) => run.id);
  return runs ? { runs, next: known.next } : fresh;
}

/** Those that the filter leaves, newest first, page by page. */
export const runsQuery = ({ suite, prompt, version, verdict, author }: RunsSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", "list", suite, prompt, version, verdict, author],
    queryFn: (context) => {
      const ask = (before: string) => {
        const query = { suite, prompt, version, verdict, author, before: before || undefined, limit: RUNS };
        return answer(api.GET("/api/v1/runs", { params: { query }, signal: context.signal }));
      };
      return grown(context, { first: "", ask, join: withNewer, stays: ({ runs }) => !runs.some(unfinished) });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });

/** Those that asked the same of the same cases as a run, newest first. */
export const likeQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "like", id],
    queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/runs", { params: { query: { like: id, limit: MOST_LIKE } }, signal }))).runs,
  });

/** `slices`: paths to split by, empty for the suite's own. */
export const runQuery = (id: string, slices = "") =>
  queryOptions({
    queryKey: ["runs", "detail", id, slices],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/runs/{id}", { params: { path: { id }, query: slices ? { slices } : {} }, signal })),
  });

/** The answers that the filter leaves, page by page. */
export const answersQuery = (id: string, { score, show, below, search }: RunSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", "answers", id, show && score, show, show === "below" && below, search],
    queryFn: ({ signal, pageParam }) => {
      const kind = { scorer: show && score, below: show === "below" ? (below ?? 1) : undefined, failed: show === "failed" || undefined };
      const query = { ...kind, search, after: pageParam || undefined, limit: ANSWERS };
      return answer(api.GET("/api/v1/runs/{id}/results", { params: { path: { id }, query }, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });

/** One answer by its case, which a link may name though no page with it was loaded. */
export const caseQuery = (id: string, wanted: string, repeat: number) =>
  queryOptions({
    queryKey: ["runs", "answer", id, wanted, repeat],
    queryFn: async ({ signal }): Promise<RunResult> => {
      let after = "";
      for (let page = 0; page < MOST_PAGES; page++) {
        const query = { search: wanted, after: after || undefined, limit: ANSWERS };
        const found = await answer(api.GET("/api/v1/runs/{id}/results", { params: { path: { id }, query }, signal }));
        const one = found.results.find((each) => each.case === wanted && each.answer.repeat === repeat);
        if (one) return one;
        if (!found.next) break;
        after = found.next;
      }
      throw new Error(`This run has no answer number ${repeat + 1} to a case ${wanted}.`);
    },
  });

/** Two runs, the cases that the filter leaves page by page; without a baseline the one that the gate takes. */
export const comparisonQuery = (run: string, { baseline, change, slice, search }: CompareSearch) =>
  infiniteQueryOptions({
    queryKey: ["runs", "comparison", run, baseline, change, slice, search],
    queryFn: ({ signal, pageParam }) => {
      const query = { run, baseline, change, slice, search, after: pageParam || undefined, limit: CASES };
      return answer(api.GET("/api/v1/comparisons", { params: { query }, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next || undefined,
    // What is shown of the same two stays while a filter changes.
    placeholderData: (before, query) => (query?.queryKey[2] === run && query.queryKey[3] === baseline ? before : undefined),
  });

export const powerQuery = (wanted: PowerSearch & { suite: string }) =>
  queryOptions({
    queryKey: ["runs", "power", wanted],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/power", { params: { query: wanted }, signal })),
    placeholderData: keepPreviousData,
  });

export const judgesQuery = queryOptions({
  queryKey: ["runs", "judges"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/judges", { signal })),
});
