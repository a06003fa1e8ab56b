/** What these pages ask of the API. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "../../api/client";

export const accountsQuery = queryOptions({
  queryKey: ["accounts"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/accounts", { signal })),
});
