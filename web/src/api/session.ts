/** Who is signed in, and what that person may do. */
import { type QueryClient, queryOptions, useQuery } from "@tanstack/react-query";

import { ApiError, answer, api, renewCsrfBy, setCsrf } from "./client";
import { setOver } from "./over";

export const ROLES = ["viewer", "expert", "engineer", "admin"] as const;
/** From the one that reads to the one that may do everything. */
export type Role = (typeof ROLES)[number];

export interface Session {
  account: { id: string; email: string; name: string; role: Role } | null;
  role: Role;
  actor: string;
  csrf: string;
}

/** Nobody is signed in: null. */
async function askWho(signal?: AbortSignal): Promise<Session | null> {
  try {
    const session = (await answer(api.GET("/api/v1/session", { signal: signal ?? null }))) as Session;
    setCsrf(session.csrf);
    return session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }) => {
    const session = await askWho(signal);
    if (session) tellWindows(session);
    return session;
  },
  staleTime: Infinity,
});

/** May somebody with a role do what needs another? */
export const may = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** May the person who is signed in do what needs this role? */
export function useMay(role: Role): boolean {
  const { data } = useQuery(sessionQuery);
  return data != null && may(data.role, role);
}

/** Who that is, for windows to compare. */
const personOf = (session: Session): string => session.account?.id ?? session.actor;

/** What windows of one browser tell each other: the session that it has now has this token; null: it has none any more. */
type Told = { csrf: string } | null;

const windows = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("moat-session");

/** Tell the other windows of this browser. */
export function tellWindows(session: Session | null): void {
  windows?.postMessage((session && { csrf: session.csrf }) satisfies Told);
}

/** Go on with the session that the browser has now: the same person's at the same place, somebody else's from a fresh page. */
export async function goOn(queries: QueryClient): Promise<boolean> {
  const before = queries.getQueryData(sessionQuery.queryKey);
  const session = await askWho();
  if (!session) {
    setOver(true);
    return false;
  }
  if (before && personOf(before) !== personOf(session)) {
    location.reload();
    return false;
  }
  queries.setQueryData(sessionQuery.queryKey, session);
  setOver(false);
  return true;
}

/** Hear of sessions that begin and end in other windows, and of one that is not this page's any more. */
export function followSession(queries: QueryClient): void {
  renewCsrfBy(() => goOn(queries));
  windows?.addEventListener("message", ({ data }: MessageEvent<Told>) => {
    const mine = queries.getQueryData(sessionQuery.queryKey);
    if (!mine || data?.csrf === mine.csrf) return;
    if (data === null) setOver(true);
    else void resume(queries).catch(() => undefined);
  });
}

/** Go on, and ask anew for what is shown: some of it may have been refused. */
export async function resume(queries: QueryClient): Promise<void> {
  if (await goOn(queries)) await queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
}
