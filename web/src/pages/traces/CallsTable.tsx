import { Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

import type { CallRow } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { brief, count, duration, time } from "../../parts/format";
import { Failure, Loading } from "../../parts/States";
import styles from "./CallsTable.module.css";
import { useFresh, useRows } from "./pages";
import { rowId } from "./queries";
import type { CallFilter } from "./search";
import { isTyped, singleKeys, useSingleKeys } from "../../shell/shortcuts";

const ROW = 32;
/** Characters of a time that name the year, which the window above the table tells. */
const YEAR = 5;

/** Calls, the newest first: as many as there are, of which those in sight are in the page. j and k or the arrows walk. */
export function CallsTable({ filter, live, empty }: { filter: CallFilter; live: boolean; empty: ReactNode }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ first: 0, last: 0 });
  const [chosen, setChosen] = useState(-1);
  const [scrolled, setScrolled] = useState(false);
  const rows = useRows(filter, sight.first, sight.last);
  const fresh = useFresh(filter, live, scrolled || chosen >= 0, rows);
  const total = fresh.shown.length + rows.count;
  const at = (index: number) => fresh.shown[index] ?? rows.at(index - fresh.shown.length);
  // eslint-disable-next-line react-hooks/incompatible-library -- the compiler that this is about is not used
  const virtual = useVirtualizer({ count: total, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 16 });
  const items = virtual.getVirtualItems();
  const [first, last] = [Math.max(0, (items[0]?.index ?? 0) - fresh.shown.length), Math.max(0, (items.at(-1)?.index ?? 0) - fresh.shown.length)];
  useEffect(() => setSight({ first, last }), [first, last]);
  const choose = useChoice(scroller, chosen, setChosen, total, (index) => virtual.scrollToIndex(index));
  if (rows.error && total === 0) return <Failure error={rows.error} retry={rows.restart} />;
  if (total === 0) return rows.loading ? <Loading what="Looking for calls" /> : empty;
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div className="stack">
      {rows.error && <Failure error={rows.error} retry={rows.restart} />}
      {live && (
        <Tail
          waiting={fresh.waiting}
          show={() => {
            choose(-1);
            fresh.show();
            virtual.scrollToOffset(0);
          }}
        />
      )}
      <div
        ref={scroller}
        className={styles.scroller}
        tabIndex={0}
        role="region"
        aria-label="Calls"
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop > ROW)}
        onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && choose(-1)}
      >
        <table className={styles.table} aria-rowcount={rows.whole ? total + 1 : -1}>
          <caption className="hidden-visually">Calls, the newest first</caption>
          <Head />
          <tbody>
            {above > 0 && <Spacer height={above} />}
            {items.map((item) => {
              const row = at(item.index);
              return row ? (
                <Row key={rowId(row)} row={row} money={rows.money} index={item.index} chosen={item.index === chosen} choose={choose} />
              ) : (
                <Spacer key={item.key} height={ROW} />
              );
            })}
            {below > 0 && <Spacer height={below} />}
          </tbody>
        </table>
      </div>
      <p className="muted small row spread">
        <Keys />
        <span>{rows.whole ? `All ${count(total)} are listed` : `${count(total)} read so far; more as you scroll`}</span>
      </p>
    </div>
  );
}

function Keys() {
  const letters = useSingleKeys();
  if (!letters) return <span>Arrows walk, <kbd>Enter</kbd> opens</span>;
  return (
    <span>
      <kbd>j</kbd> <kbd>k</kbd> or arrows walk, <kbd>Enter</kbd> opens, <kbd>/</kbd> searches
    </span>
  );
}

/** What moves the choice, and keeps the focus on the link of the row that is chosen. */
function useChoice(
  scroller: React.RefObject<HTMLDivElement | null>,
  chosen: number,
  setChosen: (index: number) => void,
  total: number,
  reveal: (index: number) => void,
): (index: number) => void {
  useEffect(() => {
    if (chosen < 0) return;
    const link = scroller.current?.querySelector<HTMLElement>(`tr[data-index="${chosen}"] a`);
    if (link && document.activeElement !== link) link.focus({ preventScroll: true });
  });
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event) || event.defaultPrevented) return;
      const within = scroller.current?.contains(event.target as Node) ?? false;
      const step = { ...(singleKeys() ? { j: 1, k: -1 } : {}), ...(within ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
      if (step === undefined || document.querySelector("[role=dialog]")) return;
      event.preventDefault();
      const next = Math.min(total - 1, Math.max(0, chosen + step));
      reveal(next);
      setChosen(next);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [scroller, chosen, setChosen, total, reveal]);
  return setChosen;
}

function Tail({ waiting, show }: { waiting: number; show: () => void }) {
  return (
    <div role="status" className="row">
      <Badge tone="accent">● Live</Badge>
      {waiting > 0 ? (
        <Button onClick={show}>
          ▲ Show {waiting} new {waiting === 1 ? "call" : "calls"}
        </Button>
      ) : (
        <span className="muted small">New calls appear here by themselves.</span>
      )}
    </div>
  );
}

const HEADS: readonly (readonly [string, boolean])[] = [
  ["Time", false],
  ["Result", false],
  ["Prompt or model", false],
  ["Feature", false],
  ["User", false],
  ["Tokens", true],
  ["Cost", true],
  ["Duration", true],
  ["First token", true],
  ["Guard", false],
];

function Head() {
  return (
    <thead>
      <tr>
        {HEADS.map(([name, isNumber]) => (
          <th key={name} scope="col" className={isNumber ? styles.number : undefined}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Spacer({ height }: { height: number }) {
  return (
    <tr className={styles.spacer} aria-hidden="true">
      <td colSpan={HEADS.length} style={{ height }} />
    </tr>
  );
}

interface RowProps {
  row: CallRow;
  money: (picos: number | null) => string;
  index: number;
  chosen: boolean;
  choose: (index: number) => void;
}

function Row({ row, money, index, chosen, choose }: RowProps) {
  const navigate = useNavigate();
  const id = row.request_id || row.trace_id;
  const open = () => void navigate({ to: "/traces/$id", params: { id }, search: row.kind === "app" ? { span: row.span_id } : {} });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") choose(-1);
  };
  return (
    <tr data-index={index} data-chosen={chosen || undefined} aria-rowindex={index + 2} onClick={open} onKeyDown={onKeyDown}>
      <td className={styles.time}>
        <Link
          to="/traces/$id"
          params={{ id }}
          search={row.kind === "app" ? { span: row.span_id } : {}}
          onClick={(event) => event.stopPropagation()}
          onFocus={() => choose(index)}
          title={time(row.started_ns)}
        >
          {time(row.started_ns).slice(YEAR)}
        </Link>
      </td>
      <td>
        <Result row={row} />
      </td>
      <td className={styles.cut} title={asked(row)}>
        {asked(row)}
        {row.shadow_of ? <span className="muted"> shadow</span> : row.arm && <span className="muted"> {row.arm}</span>}
      </td>
      <td className={styles.short} title={row.feature || row.operation}>
        {row.feature || row.operation}
      </td>
      <td className={styles.short} title={row.user}>
        {row.user}
      </td>
      <td className={styles.number}>{row.input_tokens + row.output_tokens ? `${brief(row.input_tokens)} + ${brief(row.output_tokens)}` : "–"}</td>
      <td className={styles.number}>{money(row.cost)}</td>
      <td className={styles.number}>{duration(row.duration_ns)}</td>
      <td className={styles.number}>{row.stream && row.first_token_ns ? duration(row.first_token_ns) : "–"}</td>
      <td>{row.guard && <Badge tone={row.guard === "block" ? "bad" : "warn"}>{row.guard}</Badge>}</td>
    </tr>
  );
}

/** What was asked: a prompt with its version, else a model, else what an application called it. */
const asked = (row: CallRow): string => (row.prompt ? `${row.prompt}${row.version && `@${row.version}`}` : row.model || row.name);

function Result({ row }: { row: CallRow }) {
  if (row.error) return <Badge tone="bad">{row.error}</Badge>;
  if (row.cache === "hit" || row.cache === "similar") return <Badge tone="accent">cached</Badge>;
  return <span className="muted">{row.finish_reason || "ok"}</span>;
}
