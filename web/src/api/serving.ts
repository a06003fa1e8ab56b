/** What the server serves, which several pages ask. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "./client";

export const statusQuery = queryOptions({
  queryKey: ["serving", "status"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/status", { signal })),
});

/** Model aliases that the server knows: of the same answer. */
export const modelsQuery = queryOptions({ ...statusQuery, select: (status) => status.models });
