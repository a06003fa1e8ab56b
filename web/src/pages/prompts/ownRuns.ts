/** Eval runs of drafts that a person has started: the server knows them, so that each page and window does. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import type { DraftEval } from "../../api/schema";

const AGAIN_MS = 1000;

/** Those of the person who is signed in, newest first, and what is about to begin; looked at again until it has begun. */
export const ownRunsQuery = queryOptions({
  queryKey: ["runs", "drafts"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/drafts/evals", { signal })),
  staleTime: 0,
  refetchInterval: (query) => (query.state.data?.starting ? AGAIN_MS : false),
});

/** One of them, or a colleague's; looked at again while it goes on. */
export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "draft", id],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/drafts/evals/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (query) => (query.state.data?.status === "running" ? AGAIN_MS : false),
  });

/** What the page of a prompt shows: the run of its address, else the newest of the prompt; and of any prompt the one under way, which holds money. */
export function shownRuns(name: string, asked: string | undefined, own: readonly Pick<DraftEval, "id" | "prompt" | "status">[]): string[] {
  const first = asked ?? own.find((run) => run.prompt === name)?.id;
  const going = own.find((run) => run.status === "running")?.id;
  return [...new Set([first, going].filter((id) => id !== undefined))];
}
