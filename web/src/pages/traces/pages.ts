/** The rows of the table: pages that were walked by cursor, of which only those in sight are in memory. */
import { useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useReducer, useState } from "react";

import type { CallRow } from "../../api/schema";
import { money, moneyColumn } from "../../parts/format";
import { type Read, type There, NOTHING_READ, OVERLAP_NS, newIn, thereIn, withPage } from "./live";
import { PAGE, ended, headQuery, pageQuery, rowId } from "./queries";
import type { CallFilter } from "./search";

export interface Rows {
  /** How many are known; more come when the last of them is in sight. */
  count: number;
  /** Undefined while its page is on its way. */
  at: (index: number) => CallRow | undefined;
  error: Error | null;
  loading: boolean;
  /** Is there nothing after the last? */
  whole: boolean;
  read: Read;
  /** How costs are shown in all of them: as those of the first page need. */
  money: (picos: number | null) => string;
  /** Begin anew with the newest. */
  restart: () => void;
}

interface Walk {
  /** Where each page begins; the first is empty. */
  cursors: readonly string[];
  whole: boolean;
  last: number;
  turn: number;
  read: Read;
  money: (picos: number | null) => string;
}

type Step = { kind: "restart" } | { kind: "read"; page: number; next: string; rows: readonly CallRow[]; turn: number };

function walked(walk: Walk, step: Step): Walk {
  if (step.kind === "restart") return { ...START, turn: walk.turn + 1 };
  if (step.turn !== walk.turn || step.page !== walk.cursors.length - 1 || walk.whole) return walk;
  const costs = step.page === 0 ? moneyColumn(step.rows.map((row) => row.cost)) : walk.money;
  const read = { ...walk, read: withPage(walk.read, step), money: costs };
  return step.next ? { ...read, cursors: [...read.cursors, step.next] } : { ...read, whole: true, last: step.rows.length };
}

const START: Walk = { cursors: [""], whole: false, last: 0, turn: 0, read: NOTHING_READ, money };

/** `first` and `last`: indices of the rows in sight. Give the component that uses it a `key` made of the filter. */
export function useRows(filter: CallFilter, first: number, last: number): Rows {
  const queries = useQueryClient();
  const [walk, step] = useReducer(walked, START);
  const [from, to] = [Math.max(0, Math.floor(first / PAGE)), Math.min(walk.cursors.length - 1, Math.floor(Math.max(first, last) / PAGE) + 1)];
  const wanted = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  const pages = useQueries({
    queries: wanted.map((page) => ({ ...pageQuery(filter, walk.cursors[page] ?? "", walk.turn), gcTime: 60_000 })),
  });
  const newest = pages.at(-1)?.data;
  const newestPage = wanted.at(-1);
  useEffect(() => {
    if (newest && newestPage !== undefined) {
      step({ kind: "read", page: newestPage, next: newest.next, rows: newest.calls, turn: walk.turn });
    }
  }, [newest, newestPage, walk.turn]);
  const full = (walk.cursors.length - 1) * PAGE;
  const known = walk.whole ? full + walk.last : full;
  return {
    count: known || (pages[0]?.data?.calls.length ?? 0),
    at: (index) => {
      const place = wanted.indexOf(Math.floor(index / PAGE));
      return place < 0 ? undefined : pages[place]?.data?.calls[index % PAGE];
    },
    error: pages.find((page) => page.error)?.error ?? null,
    loading: pages.some((page) => page.isPending),
    whole: walk.whole,
    read: walk.read,
    money: walk.money,
    restart: () => {
      queries.removeQueries({ queryKey: ["calls"] });
      step({ kind: "restart" });
    },
  };
}

export interface Fresh {
  /** Calls that were stored since the rows were read, the last to end first, that are shown. */
  shown: readonly CallRow[];
  /** How many more there are, at least. */
  waiting: number;
  show: () => void;
}

/**
 * New calls, while the list is live. They wait while `paused`, so that nothing moves below the reader.
 *
 * A call is stored when it has ended, so that what is new is asked for by its end: one that took minutes began before
 * all that is shown. Each look goes back `OVERLAP_NS` before the last end that was seen, since calls are not stored in
 * the order of their ends; what is stored later than that is seen when the list is read anew.
 */
export function useFresh(filter: CallFilter, live: boolean, paused: boolean, { read, restart }: Rows): Fresh {
  const [fresh, setFresh] = useState<readonly CallRow[]>([]);
  const [there, setThere] = useState<There | null>(null);
  const latest_ns = fresh.reduce((latest, row) => Math.max(latest, ended(row)), read.latest_ns);
  const head = useQuery({ ...headQuery(filter, Math.max(0, latest_ns - OVERLAP_NS)), enabled: live && read.turn >= 0 });
  const arrived = useMemo(() => (live && head.data ? newIn(head.data.calls, read, fresh, there) : []), [live, head.data, read, fresh, there]);
  useEffect(() => {
    // eslint-disable-next-line react-hooks/set-state-in-effect -- it is what the first answer after a start said
    if (live && head.data && read.turn >= 0 && there?.turn !== read.turn) setThere(thereIn(head.data.calls, read));
  }, [live, head.data, read, there]);
  const many = arrived.length >= PAGE || (arrived.length > 0 && head.data?.next !== "");
  const show = () => {
    if (many) {
      setFresh([]);
      restart();
    } else {
      setFresh([...arrived, ...fresh]);
    }
  };
  useEffect(() => {
    // eslint-disable-next-line react-hooks/set-state-in-effect -- what came is kept, however often it is asked for
    if (live && !paused && arrived.length > 0) show();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `show` is made anew each time
  }, [live, paused, arrived]);
  // What stands on a page that was read since is shown there.
  const shown = useMemo(() => fresh.filter((row) => !read.recent.has(rowId(row))), [fresh, read]);
  return { shown, waiting: arrived.length, show };
}
