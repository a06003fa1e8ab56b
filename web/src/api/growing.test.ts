import { InfiniteQueryObserver, QueryClient, type QueryFunctionContext } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test } from "vitest";

import { grown, joined } from "./growing";

const PAGE = 3;
const KEY = ["audit", "all"];

/** A log of numbers, newest first, of which a page is asked for by where it begins. */
let newest: number;
let asked: number[];
let running: readonly number[];
let queries: QueryClient;
let leave: () => void;

const ask = (before: number): Promise<number[]> => {
  asked.push(before);
  const top = before ? before - 1 : newest;
  return Promise.resolve(Array.from({ length: Math.min(PAGE, top) }, (_, index) => top - index));
};

const options = {
  queryKey: KEY,
  queryFn: (context: QueryFunctionContext<string[], number>) =>
    grown(context, {
      first: 0,
      ask,
      join: (fresh: number[], known: number[]) => joined(fresh, known, (row) => row) ?? fresh,
      stays: (page: number[]) => !page.some((row) => running.includes(row)),
    }),
  initialPageParam: 0,
  getNextPageParam: (page: number[]) => (page.length < PAGE ? undefined : page.at(-1)),
};

beforeEach(async () => {
  [newest, asked, running] = [12, [], []];
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const list = new InfiniteQueryObserver(queries, options);
  leave = list.subscribe(() => undefined);
  await list.refetch({ cancelRefetch: false });
  await list.fetchNextPage();
  await list.fetchNextPage();
  expect(rows()).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4]);
  asked = [];
});
afterEach(() => {
  leave();
  queries.clear();
});

const rows = () => queries.getQueryData<{ pages: number[][] }>(KEY)?.pages.flat();
const changed = () => queries.invalidateQueries({ queryKey: KEY });

test("what comes is asked for with the first page alone, and stands above all that was read", async () => {
  newest = 13;
  await changed();
  expect(rows()).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4]);
  newest = 15;
  await changed();
  expect(rows()).toEqual([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4]);
  expect(asked).toEqual([0, 0]);
});

test("pages go on where they ended", async () => {
  newest = 13;
  await changed();
  const list = new InfiniteQueryObserver(queries, options);
  await list.fetchNextPage();
  expect(rows()).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test("more than a page at once: what lies between is asked for, and nothing stands twice or is missing", async () => {
  newest = 18;
  await changed();
  expect(rows()).toEqual([18, 17, 16, 15, 14, 13, 12, 11, 10]);
  expect(asked).toEqual([0, 16, 13]);
});

test("a page with something that still changes is asked for again", async () => {
  running = [8];
  await changed();
  expect(asked).toEqual([0, 10]);
});

test("rows that do not meet are not joined", () => {
  expect(joined([9, 8], [6, 5], (row) => row)).toBeUndefined();
  expect(joined([], [6, 5], (row) => row)).toBeUndefined();
});
