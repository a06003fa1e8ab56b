/** What these pages ask of the API. Keys begin with a topic of api/events.ts. */
import { queryOptions } from "@tanstack/react-query";

import { ApiError, answer, api } from "../../api/client";
import type { Registration } from "../../api/schema";

export const promptsQuery = queryOptions({
  queryKey: ["prompts"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/prompts", { signal })),
});

/** A prompt's versions, the oldest first; none when there is no such prompt, which may be about to be written. */
export const versionsQuery = (name: string) =>
  queryOptions({
    queryKey: ["prompts", "versions", name],
    queryFn: async ({ signal }): Promise<Registration[]> => {
      try {
        return await answer(api.GET("/api/v1/versions/{name}", { params: { path: { name } }, signal }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return [];
        throw error;
      }
    },
  });

export const diffQuery = (name: string, from: string, to: string) =>
  queryOptions({
    queryKey: ["prompts", "diff", name, from, to],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/diff/{name}", { params: { path: { name }, query: { from, to } }, signal })),
  });

export const lineageQuery = (name: string) =>
  queryOptions({
    queryKey: ["prompts", "lineage", name],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/lineage/{name}", { params: { path: { name } }, signal })),
  });
