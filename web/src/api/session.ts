/** Who is signed in, and what that person may do. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { ApiError, answer, api, setCsrf } from "./client";

export const ROLES = ["viewer", "expert", "engineer", "admin"] as const;
/** From the one that reads to the one that may do everything. */
export type Role = (typeof ROLES)[number];

export interface Session {
  account: { id: string; email: string; name: string; role: Role } | null;
  role: Role;
  actor: string;
  csrf: string;
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      const session = (await answer(api.GET("/api/v1/session", { signal }))) as Session;
      setCsrf(session.csrf);
      return session;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: Infinity,
});

/** May the person who is signed in do what needs this role? */
export function useMay(role: Role): boolean {
  const { data } = useQuery(sessionQuery);
  return data != null && ROLES.indexOf(data.role) >= ROLES.indexOf(role);
}
