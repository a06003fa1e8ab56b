import { useState } from "react";

import type { Spend } from "../../api/schema";
import { Button } from "../../parts/Button";
import { brief, count, money, percent } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { DIMENSIONS, type Dimension } from "./dimensions";
import styles from "./Spend.module.css";

interface GroupsProps {
  by: Dimension;
  groups: readonly Spend[];
  /** Picodollars of all of them. */
  total: number;
  name: (group: string) => string;
  /** Look at one group only. */
  narrow: (group: string) => void;
}

const TOP = 20;

/** Who or what costs most, the dearest first; a click narrows to one. */
export function Groups({ by, groups, total, name, narrow }: GroupsProps) {
  const [all, setAll] = useState(false);
  const dearest = [...groups].sort((a, b) => b.cost - a.cost);
  const shown = all ? dearest : dearest.slice(0, TOP);
  const rest = dearest.slice(shown.length);
  return (
    <section className="stack" aria-label={`By ${DIMENSIONS[by]}`}>
      <h2>By {DIMENSIONS[by].toLowerCase()}</h2>
      <Table label={`Cost by ${DIMENSIONS[by].toLowerCase()}`} rows={shown} columns={columns({ by, groups, total, name, narrow })} id={(row) => row.group[0] ?? ""} height={all ? "70vh" : undefined} />
      {rest.length > 0 && (
        <div className="row">
          <span className="muted">
            {count(rest.length)} more cost {money(rest.reduce((sum, one) => sum + one.cost, 0))} together.
          </span>
          <Button onClick={() => setAll(true)}>Show all {count(dearest.length)}</Button>
        </div>
      )}
    </section>
  );
}

/** Columns that are there when there is something in them. */
const OPTIONAL: readonly Column<Spend>[] = [
  { key: "failed", header: "Failed", kind: "number", sort: (row) => row.failed, cell: (row) => count(row.failed) },
  { key: "saved", header: "Cache saved", kind: "number", sort: (row) => row.saved, money: (row) => row.saved },
  { key: "unpriced", header: "Unpriced", kind: "number", sort: (row) => row.unpriced, cell: (row) => count(row.unpriced) },
];

function columns({ by, groups, total, name, narrow }: GroupsProps): Column<Spend>[] {
  const group = (row: Spend) => row.group[0] ?? "";
  const paid = (row: Spend) => row.calls - row.refused;
  return [
    { key: "group", header: DIMENSIONS[by], kind: "cut", sort: (row) => name(group(row)), cell: (row) => <Group group={group(row)} name={name} narrow={narrow} /> },
    { key: "cost", header: "Cost", kind: "number", sort: (row) => row.cost, money: (row) => row.cost },
    { key: "share", header: "Share", cell: (row) => <Share part={total ? row.cost / total : 0} /> },
    { key: "calls", header: "Calls", kind: "number", sort: (row) => row.calls, cell: (row) => count(row.calls) },
    { key: "per", header: "Per call", kind: "number", sort: (row) => (paid(row) ? row.cost / paid(row) : 0), money: (row) => (paid(row) > 0 ? row.cost / paid(row) : null) },
    { key: "requests", header: "Requests", kind: "number", sort: (row) => row.requests, cell: (row) => count(row.requests) },
    { key: "tokens", header: "Tokens in", kind: "number", sort: (row) => row.usage.input, cell: (row) => brief(row.usage.input) },
    { key: "output", header: "out", kind: "number", sort: (row) => row.usage.output, cell: (row) => brief(row.usage.output) },
    ...OPTIONAL.filter(({ sort }) => groups.some((row) => sort?.(row) !== 0)),
  ];
}

function Group({ group, name, narrow }: { group: string; name: (group: string) => string; narrow: (group: string) => void }) {
  // A filter cannot ask for what has no value.
  if (!group) return <span className="muted">{name(group)}</span>;
  return (
    <button type="button" className={styles.group} onClick={() => narrow(group)} title={`Only ${group}`}>
      {name(group)}
    </button>
  );
}

function Share({ part }: { part: number }) {
  return (
    <span className={styles.share}>
      <span className={styles.track} aria-hidden="true">
        <span style={{ width: `${Math.min(1, part) * 100}%` }} />
      </span>
      <span className="number">{percent(part)}</span>
    </span>
  );
}
