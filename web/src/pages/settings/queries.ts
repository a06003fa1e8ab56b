/** What these pages ask of the API. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import { grown, joined } from "../../api/growing";
import type { Found } from "../../api/schema";
import type { AuditSearch } from "./search";

export const accountsQuery = queryOptions({
  queryKey: ["accounts"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/accounts", { signal })),
});

/** Entries of the audit log that are asked for at once. */
const ENTRIES = 200;

/** The entries that the filter leaves, newest first, page by page. Entries that were written stay as they are. */
export const auditQuery = (search: AuditSearch) =>
  infiniteQueryOptions({
    queryKey: ["audit", search],
    queryFn: (context) => {
      const ask = (before: number) => {
        const query = { ...search, limit: ENTRIES, ...(before ? { before: String(before) } : {}) };
        return answer(api.GET("/api/v1/audit", { params: { query }, signal: context.signal }));
      };
      return grown(context, { first: 0, ask, join: (fresh, known) => joined(fresh, known, (one) => one.entry.sequence) ?? fresh });
    },
    initialPageParam: 0,
    getNextPageParam: (page: Found[]) => (page.length < ENTRIES ? undefined : page.at(-1)?.entry.sequence),
  });
