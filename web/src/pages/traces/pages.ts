/** The rows of the table: pages that were walked by cursor, of which only those in sight are in memory. */
import { useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useReducer, useState } from "react";

import type { CallRow } from "../../api/schema";
import { PAGE, headQuery, pageQuery, rowId } from "./queries";
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
  first: First;
  /** Begin anew with the newest. */
  restart: () => void;
}

interface Walk {
  /** Where each page begins; the first is empty. */
  cursors: readonly string[];
  whole: boolean;
  last: number;
  turn: number;
  first: First;
}

/** The calls of the first page, and when the oldest of them began; by them is known what is new. */
interface First {
  ids: ReadonlySet<string>;
  edge_ns: number;
}

type Step = { kind: "restart" } | { kind: "read"; page: number; next: string; rows: readonly CallRow[]; turn: number };

function walked(walk: Walk, step: Step): Walk {
  if (step.kind === "restart") return { ...START, turn: walk.turn + 1 };
  if (step.turn !== walk.turn || step.page !== walk.cursors.length - 1 || walk.whole) return walk;
  const edge_ns = step.next ? (step.rows.at(-1)?.started_ns ?? 0) : 0;
  const read = step.page === 0 ? { ...walk, first: { ids: new Set(step.rows.map(rowId)), edge_ns } } : walk;
  return step.next ? { ...read, cursors: [...read.cursors, step.next] } : { ...read, whole: true, last: step.rows.length };
}

const START: Walk = { cursors: [""], whole: false, last: 0, turn: 0, first: { ids: new Set(), edge_ns: Infinity } };

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
    first: walk.first,
    restart: () => {
      queries.removeQueries({ queryKey: ["calls"] });
      step({ kind: "restart" });
    },
  };
}

export interface Fresh {
  /** Calls that came since the rows were read, newest first, that are shown. */
  shown: readonly CallRow[];
  /** How many more there are. */
  waiting: number;
  show: () => void;
}

/** New calls, while the list is live. They wait while `paused`, so that nothing moves below the reader. */
export function useFresh(filter: CallFilter, live: boolean, paused: boolean, { first, restart }: Rows): Fresh {
  const head = useQuery({ ...headQuery(filter), enabled: live });
  const [fresh, setFresh] = useState<readonly CallRow[]>([]);
  const arrived = useMemo(() => {
    if (!live || !head.data) return [];
    const known = new Set(fresh.map(rowId));
    // Not by the newest's time alone: what began before it may have ended after it.
    return head.data.calls.filter((row) => row.started_ns > first.edge_ns && !first.ids.has(rowId(row)) && !known.has(rowId(row)));
  }, [live, head.data, fresh, first]);
  const many = arrived.length >= PAGE;
  const show = () => {
    if (many) {
      setFresh([]);
      restart();
    } else {
      setFresh([...arrived, ...fresh].sort((a, b) => b.started_ns - a.started_ns));
    }
  };
  useEffect(() => {
    // eslint-disable-next-line react-hooks/set-state-in-effect -- what came is kept, however often it is asked for
    if (live && !paused && arrived.length > 0) show();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `show` is made anew each time
  }, [live, paused, arrived]);
  return { shown: fresh, waiting: arrived.length, show };
}
