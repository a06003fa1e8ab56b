import { type KeyboardEvent, useMemo, useRef, useState } from "react";

import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count, duration, money } from "../../parts/format";
import type { FullSpan } from "./queries";
import { type Extent, type Node, bar, extent, open, stepOf, tree } from "./tree";
import styles from "./Waterfall.module.css";

/** Steps that are shown at first. */
const MANY = 500;
/** Levels that are set off to the right; what is deeper stands below each other. */
const DEEPEST = 12;

/** The spans of a trace: what was called by what, when, how long, for how much. Arrow keys walk, as in any tree. */
export function Waterfall({ spans, selected, select }: { spans: readonly FullSpan[]; selected: string; select: (id: string) => void }) {
  const nodes = useMemo(() => tree(spans), [spans]);
  const span = useMemo(() => extent(spans), [spans]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const box = useRef<HTMLDivElement>(null);
  const [all, setAll] = useState(false);
  const opened = open(nodes, closed);
  const seen = all ? opened : opened.slice(0, MANY);
  const current = seen.some((node) => node.span.span_id === selected) ? selected : (seen[0]?.span.span_id ?? "");
  const turn = (id: string, close: boolean) => {
    const next = new Set(closed);
    if (close) next.add(id);
    else next.delete(id);
    setClosed(next);
  };
  const go = (id: string | undefined) => {
    if (!id) return;
    select(id);
    box.current?.querySelector<HTMLElement>(`[data-span="${CSS.escape(id)}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Those are the browser's: Alt and an arrow go back.
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const index = seen.findIndex((node) => node.span.span_id === current);
    const node = seen[index];
    if (!node) return;
    const isClosed = closed.has(current);
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(seen[index + 1]?.span.span_id),
      ArrowUp: () => go(seen[index - 1]?.span.span_id),
      Home: () => go(seen[0]?.span.span_id),
      End: () => go(seen.at(-1)?.span.span_id),
      ArrowRight: () => (isClosed ? turn(current, false) : go(node.children[0])),
      ArrowLeft: () => (node.children.length > 0 && !isClosed ? turn(current, true) : go(node.parent)),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };
  return (
    <>
    <div ref={box} className={styles.tree} role="tree" aria-label="Spans" onKeyDown={onKeyDown}>
      {seen.map((node) => (
        <Item
          key={node.span.span_id}
          node={node}
          whole={span}
          selected={node.span.span_id === current}
          closed={closed.has(node.span.span_id)}
          select={() => select(node.span.span_id)}
          turn={() => turn(node.span.span_id, !closed.has(node.span.span_id))}
        />
      ))}
    </div>
      {seen.length < opened.length && (
        <div>
          <Button onClick={() => setAll(true)}>Show all {count(opened.length)} steps</Button>
        </div>
      )}
    </>
  );
}

interface ItemProps {
  node: Node;
  whole: Extent;
  selected: boolean;
  closed: boolean;
  select: () => void;
  turn: () => void;
}

function Item({ node, whole, selected, closed, select, turn }: ItemProps) {
  const { span, depth, children } = node;
  return (
    <div
      className={styles.item}
      role="treeitem"
      data-span={span.span_id}
      aria-level={depth + 1}
      aria-selected={selected}
      aria-expanded={children.length > 0 ? !closed : undefined}
      tabIndex={selected ? 0 : -1}
      onClick={select}
    >
      <span className={styles.name} style={{ paddingLeft: Math.min(depth, DEEPEST) * 14 }}>
        <span
          className={styles.turn}
          aria-hidden="true"
          onClick={(event) => {
            if (children.length === 0) return;
            event.stopPropagation();
            turn();
          }}
        >
          {children.length > 0 ? (closed ? "▸" : "▾") : ""}
        </span>
        <span className={styles.kind}>{stepOf(span)}</span>
        <span className="cut" title={span.name}>
          {label(span)}
        </span>
        <Marks span={span} />
      </span>
      <Line span={span} whole={whole} />
      <span className={`number small ${styles.figure}`}>{duration(span.duration_ns)}</span>
      <span className={`number small muted ${styles.figure}`}>{node.cost === null ? "" : money(node.cost)}</span>
    </div>
  );
}

const label = (span: FullSpan): string => {
  if (span.kind === "attempt") return `${span.provider}/${span.model}`;
  return span.kind === "call" ? (span.prompt ? `${span.prompt}@${span.version || "?"}` : span.model || span.name) : span.name;
};

function Marks({ span }: { span: FullSpan }) {
  return (
    <>
      {span.error && <Badge tone="bad">{span.error}</Badge>}
      {span.guard && <Badge tone={span.guard === "block" ? "bad" : "warn"}>{span.guard}</Badge>}
      {(span.cache === "hit" || span.cache === "similar") && <Badge tone="accent">cached</Badge>}
    </>
  );
}

function Line({ span, whole }: { span: FullSpan; whole: Extent }) {
  const { left, width, wait } = bar(span, whole);
  return (
    <span className={styles.line} aria-hidden="true">
      <span className={styles.bar} data-kind={span.kind} data-failed={span.error ? true : undefined} style={{ left: `${left * 100}%`, width: `max(3px, ${width * 100}%)` }}>
        {wait > 0 && <span className={styles.wait} style={{ width: `${wait * 100}%` }} title="until the first token" />}
      </span>
    </span>
  );
}
