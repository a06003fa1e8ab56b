import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";

/** The policies that hold, in the order in which they do. */
export const policiesQuery = queryOptions({
  queryKey: ["serving", "policies"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/policies", { signal })),
});
