/** What is new in a list that stays as it was read: told by when calls ended, since then they are stored. */
import type { CallRow } from "../../api/schema";
import { ended, rowId } from "./queries";

/** How long after its end a call may be stored and is still seen by a list that is live, nanoseconds. */
export const OVERLAP_NS = 15e9;

/** What is known of the pages that were read. */
export interface Read {
  /** Which reading of the list it is; -1 before there is any. */
  turn: number;
  /** Rows that ended so late that a look at what is new may hold them. */
  recent: ReadonlySet<string>;
  /** Ends of rows from which on they are among these. */
  horizon_ns: number;
  /** The last end on the first page. */
  latest_ns: number;
  /** When the oldest row of the first page began; 0 when it is all there is. */
  edge_ns: number;
}

export const NOTHING_READ: Read = { turn: -1, recent: new Set(), horizon_ns: 0, latest_ns: 0, edge_ns: 0 };

interface Page {
  page: number;
  next: string;
  rows: readonly CallRow[];
  turn: number;
}

/** With another page, the next in order. */
export function withPage(read: Read, { page, next, rows, turn }: Page): Read {
  if (page > 0) {
    const late = rows.filter((row) => ended(row) >= read.horizon_ns);
    return late.length === 0 ? read : { ...read, recent: new Set([...read.recent, ...late.map(rowId)]) };
  }
  const latest_ns = rows.reduce((latest, row) => Math.max(latest, ended(row)), 0);
  const edge_ns = next ? (rows.at(-1)?.started_ns ?? 0) : 0;
  return { turn, recent: new Set(rows.map(rowId)), horizon_ns: latest_ns - OVERLAP_NS, latest_ns, edge_ns };
}

/** What stood further down in the list when it became live: none of it is new. */
export interface There {
  /** Of which reading. */
  turn: number;
  ids: ReadonlySet<string>;
}

/** By the first look at what is new: what began before the first page and is not on it was there. */
export const thereIn = (rows: readonly CallRow[], read: Read): There => ({
  turn: read.turn,
  ids: new Set(rows.filter((row) => row.started_ns <= read.edge_ns).map(rowId)),
});

/** Rows of a look that are in no page, not shown yet and were not there: the last to end first. */
export function newIn(rows: readonly CallRow[], read: Read, shown: readonly CallRow[], there: There | null): CallRow[] {
  if (there?.turn !== read.turn) return [];
  const known = new Set(shown.map(rowId));
  const unknown = (id: string) => !known.has(id) && !read.recent.has(id) && !there.ids.has(id);
  return rows.filter((row) => unknown(rowId(row))).sort((a, b) => ended(b) - ended(a));
}
