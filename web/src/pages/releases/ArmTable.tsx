import { count, duration, money, moneyColumn, percent } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { type ArmAnswers, type ArmRow, FEWEST, rows, scoreNames } from "./armData";
import { difference, direction, type Interval } from "./intervals";
import { rangeOf, Sure } from "./Sure";

interface ArmTableProps {
  arms: readonly string[];
  label: (arm: string) => string;
  answers: ArmAnswers;
  /** Say how the first arm differs from the second. */
  compare: boolean;
}

/** One number of an arm: how it is read, how it is shown, and which way is better. */
interface Measure {
  key: string;
  header: string;
  of: (row: ArmRow) => Interval | null;
  shown: (value: number) => string;
  /** Of a difference; as the value itself where there is none. */
  apart?: (value: number) => string;
  good: "more" | "less";
  from?: (row: ArmRow) => { values: number; takes: number };
}

const points = (value: number) => `${(value * 100).toFixed(1)} points`;
const score = (value: number) => value.toFixed(2);

const measuresOf = (found: readonly ArmRow[]): readonly Measure[] => [
  { key: "errors", header: "Errors", of: (row) => row.errors, shown: percent, apart: points, good: "less" },
  { key: "p50", header: "p50", of: (row) => row.p50, shown: duration, good: "less", from: (row) => ({ values: row.timed, takes: FEWEST.p50 }) },
  { key: "p95", header: "p95", of: (row) => row.p95, shown: duration, good: "less", from: (row) => ({ values: row.timed, takes: FEWEST.p95 }) },
  {
    key: "cost",
    header: "Cost per call",
    of: (row) => row.cost,
    shown: moneyColumn(found.flatMap(({ cost }) => (cost ? [cost.value, cost.low, cost.high] : []))),
    apart: money,
    good: "less",
    from: (row) => ({ values: row.priced, takes: FEWEST.cost }),
  },
];

/** The time shown in sums, one row for each arm, and what the difference of the first two means. */
export function ArmTable({ arms, label, answers, compare }: ArmTableProps) {
  const found = rows(arms, answers);
  const scores = scoreNames(answers.scores).map(
    (name): Measure => ({ key: `score ${name}`, header: name, of: (row) => row.scores.get(name) ?? null, shown: score, apart: points, good: "more" }),
  );
  const measures = [...measuresOf(found), ...scores];
  const columns: Column<ArmRow>[] = [
    { key: "arm", header: compare ? "Arm" : "Release", cell: (row) => label(row.arm) },
    { key: "calls", header: "Calls", kind: "number", cell: (row) => count(row.calls) },
    ...measures.map((one): Column<ArmRow> => column(one, found)),
  ];
  const [first, second] = found;
  return (
    <div className="stack">
      <Table label={compare ? "Arms" : "Releases"} rows={found} columns={columns} id={(row) => row.arm} />
      {compare && first && second && (
        <ul className="small" style={{ paddingLeft: 18 }} aria-label="What the difference means">
          {measures.map((one) => (
            <Said key={one.key} measure={one} rows={[first, second]} arms={[label(first.arm), label(second.arm)]} />
          ))}
        </ul>
      )}
    </div>
  );
}

function column(measure: Measure, all: readonly ArmRow[]): Column<ArmRow> {
  const range = rangeOf(all.map(measure.of));
  return {
    key: measure.key,
    header: measure.header,
    kind: "number",
    cell: (row) => <Sure found={measure.of(row)} shown={measure.shown} range={range} from={measure.from?.(row)} />,
  };
}

interface SaidProps {
  measure: Measure;
  rows: readonly [ArmRow, ArmRow];
  arms: readonly [string, string];
}

/** `Errors: canary 1.2.0 has 1.2 points less than stable 1.0.0 (0.2 points to 2.1 points): better.` */
function Said({ measure, rows: [one, other], arms }: SaidProps) {
  const found = difference(measure.of(one), measure.of(other));
  if (!found) return null;
  const shown = measure.apart ?? measure.shown;
  const signed = (value: number) => `${value < 0 ? "−" : ""}${shown(Math.abs(value))}`;
  const more = found.value >= 0;
  const [low, high] = more ? [found.low, found.high] : [negated(found.high), negated(found.low)];
  const bounds = low === null && high === null ? "" : ` (${low === null ? "?" : signed(low)} to ${high === null ? "?" : signed(high)})`;
  return (
    <li>
      {measure.header}: {arms[0]} has {shown(Math.abs(found.value))} {more ? "more" : "less"} than {arms[1]}
      {bounds}: <Meaning found={found} good={measure.good} />.
    </li>
  );
}

const negated = (value: number | null) => (value === null ? null : -value);

function Meaning({ found, good }: { found: Interval; good: "more" | "less" }) {
  const way = direction(found);
  if (way !== "unclear") return <strong className={way === good ? "good" : "bad"}>{way === good ? "✓ better" : "✕ worse"}</strong>;
  const open = found.low === null || found.high === null;
  return <span className="muted">{open ? "too few calls to tell" : "no difference is shown yet"}</span>;
}
