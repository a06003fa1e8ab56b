import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";

import { moneyColumn } from "./format";
import { Failure } from "./States";
import styles from "./Table.module.css";

export type Column<Row> = Look<Row> & ({ cell: (row: Row) => ReactNode } | { money: (row: Row) => number | null | undefined });

/** What a column is called, and how it stands. `money` beside it: picodollars, all with as many digits behind the point. */
interface Look<Row> {
  /** Unique in the table. */
  key: string;
  header: string;
  /** Numbers stand at the right, digit below digit; `cut` texts end with dots, `text` goes on in the next line. */
  kind?: "number" | "cut" | "text";
  /** Rows can be sorted by it. Only for tables that have all their rows. */
  sort?: (row: Row) => number | string;
}

export interface TableProps<Row> {
  /** What the table shows, for those who hear it. */
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  id: (row: Row) => string;
  selected?: string;
  /** Height of the window on the rows; without it the table is as long as its rows. */
  height?: string;
  /** There are more rows: they are asked for when the last one comes into sight. */
  more?: More;
}

/** The rows that follow; an infinite query is one. */
export interface More {
  hasNextPage: boolean;
  isFetching: boolean;
  /** The last answer was a refusal, or none came: not asked for again until somebody says so. */
  isFetchNextPageError: boolean;
  error: Error | null;
  fetchNextPage: () => unknown;
}

const ROW = 32;
/** Rows beyond which only those in sight are in the page. */
const MANY = 100;

/** Rows and columns. Long tables keep only what is in sight in the page, so that a million rows scroll. */
export function Table<Row>({ label, rows, columns, id, selected, height, more }: TableProps<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [by, setBy] = useState<{ key: string; down: boolean } | null>(null);
  const sorted = useMemo(() => sort(rows, columns, by), [rows, columns, by]);
  const cells = useMemo(() => columns.map((column) => cellOf(column, rows)), [columns, rows]);
  const windowed = height !== undefined && rows.length > MANY;
  // eslint-disable-next-line react-hooks/incompatible-library -- the compiler that this is about is not used
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 20,
    enabled: windowed,
  });
  const items = windowed ? virtual.getVirtualItems().map((item) => item.index) : sorted.map((_, index) => index);
  const above = windowed ? (virtual.getVirtualItems()[0]?.start ?? 0) : 0;
  const below = windowed ? virtual.getTotalSize() - (virtual.getVirtualItems().at(-1)?.end ?? 0) : 0;
  const last = items.at(-1);
  const isAtEnd = last !== undefined && last >= sorted.length - 1;
  const isAsked = isAtEnd && more !== undefined && more.hasNextPage && !more.isFetching && !more.isFetchNextPageError;
  const fetchNextPage = more?.fetchNextPage;
  useEffect(() => {
    if (isAsked) fetchNextPage?.();
  }, [isAsked, fetchNextPage]);
  return (
    // Scrolled by keyboard too, so it can have the focus.
    <div ref={scroller} className={styles.scroller} style={{ maxHeight: height }} tabIndex={0} role="region" aria-label={label}>
      <table className={styles.table} aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.key} column={column} by={by} setBy={setBy} />
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Spacer height={above} columns={columns.length} />}
          {items.map((index) => {
            const row = sorted[index];
            if (row === undefined) return null;
            return (
              <tr key={id(row)} aria-rowindex={index + 2} aria-selected={selected === undefined ? undefined : id(row) === selected}>
                {columns.map((column, place) => (
                  <td key={column.key} className={column.kind && styles[column.kind]}>
                    {cells[place]?.(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {below > 0 && <Spacer height={below} columns={columns.length} />}
          {more?.isFetchNextPageError && (
            <tr>
              <td colSpan={columns.length}>
                <Failure error={more.error} retry={() => more.fetchNextPage()} />
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function cellOf<Row>(column: Column<Row>, rows: readonly Row[]): (row: Row) => ReactNode {
  if (!("money" in column)) return column.cell;
  const shown = moneyColumn(rows.map(column.money));
  return (row) => shown(column.money(row));
}

interface Order {
  key: string;
  down: boolean;
}

function Head<Row>({ column, by, setBy }: { column: Column<Row>; by: Order | null; setBy: (by: Order) => void }) {
  const mine = by?.key === column.key ? by : null;
  const order = mine ? (mine.down ? "descending" : "ascending") : undefined;
  const turn = () => setBy({ key: column.key, down: mine ? !mine.down : true });
  return (
    <th scope="col" className={column.kind && styles[column.kind]} aria-sort={order}>
      {column.sort ? (
        <button type="button" className={styles.sort} onClick={turn}>
          {column.header} <span aria-hidden="true">{mine ? (mine.down ? "↓" : "↑") : "↕"}</span>
        </button>
      ) : (
        column.header
      )}
    </th>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr className={styles.spacer} aria-hidden="true">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function sort<Row>(rows: readonly Row[], columns: readonly Column<Row>[], by: Order | null): readonly Row[] {
  const value = columns.find((column) => column.key === by?.key)?.sort;
  if (!by || !value) return rows;
  const sign = by.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    return left < right ? -sign : left > right ? sign : 0;
  });
}
