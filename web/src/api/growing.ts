/** Lists that grow at their top, page by page: what comes is asked for with the first page alone. */
import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";

/** What a query function is told. */
interface Asked<Param> {
  client: QueryClient;
  queryKey: QueryKey;
  pageParam: Param;
}

interface Growing<Page, Param> {
  /** What the first page is asked for with. */
  first: Param;
  /** Ask the server for one page. */
  ask: (param: Param) => Promise<Page>;
  /** The first page, with what has come since on top of what it held; where pages no longer meet, the fresh one alone. */
  join: (fresh: Page, known: Page) => Page;
  /** May an older page stay as it is? */
  stays?: (page: Page) => boolean;
}

/**
 * A page of such a list. Asked for all of its pages anew, it asks the server for the first one: however far somebody has
 * scrolled, a change costs one question. The pages behind it are as they were, while the first still ends where they begin.
 */
export async function grown<Page, Param>({ client, queryKey, pageParam }: Asked<Param>, { first, ask, join, stays }: Growing<Page, Param>): Promise<Page> {
  const known = client.getQueryData<InfiniteData<Page, Param>>(queryKey);
  const before = known?.pages[known.pageParams.indexOf(pageParam)];
  if (before === undefined) return ask(pageParam);
  if (pageParam === first) return join(await ask(first), before);
  return (stays?.(before) ?? true) ? before : ask(pageParam);
}

/** The rows of a fresh first page on top of the known ones that come after its last; undefined where the two do not meet. */
export function joined<Row>(fresh: readonly Row[], known: readonly Row[], id: (row: Row) => string | number): Row[] | undefined {
  const last = fresh.at(-1);
  const met = last === undefined ? -1 : known.findIndex((row) => id(row) === id(last));
  return met < 0 ? undefined : [...fresh, ...known.slice(met + 1)];
}
