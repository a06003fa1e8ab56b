import { count, duration, money, percent } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { type ArmAnswers, type ArmRow, rows, scoreNames } from "./armData";
import { difference, direction, type Interval } from "./intervals";

interface ArmTableProps {
  arms: readonly string[];
  label: (arm: string) => string;
  answers: ArmAnswers;
  /** Say how the first arm differs from the second. */
  compare: boolean;
}

/** The time shown in sums, one row for each arm, and what the difference of the first two means. */
export function ArmTable({ arms, label, answers, compare }: ArmTableProps) {
  const found = rows(arms, answers);
  const names = scoreNames(answers.scores);
  const columns: Column<ArmRow>[] = [
    { key: "arm", header: compare ? "Arm" : "Release", cell: (row) => label(row.arm) },
    { key: "calls", header: "Calls", kind: "number", cell: (row) => count(row.calls) },
    { key: "errors", header: "Errors", kind: "number", cell: (row) => <Sure found={row.errors} shown={percent} /> },
    { key: "p50", header: "p50", kind: "number", cell: (row) => duration(row.p50_ns) },
    { key: "p95", header: "p95", kind: "number", cell: (row) => duration(row.p95_ns) },
    { key: "cost", header: "Cost per call", kind: "number", cell: (row) => money(row.cost) },
    ...names.map((name): Column<ArmRow> => ({
      key: `score ${name}`,
      header: name,
      kind: "number",
      cell: (row) => <Sure found={row.scores.get(name) ?? null} shown={score} />,
    })),
  ];
  const [first, second] = found;
  return (
    <div className="stack">
      <Table label={compare ? "Arms" : "Releases"} rows={found} columns={columns} id={(row) => row.arm} />
      {compare && first && second && (
        <ul className="small" style={{ paddingLeft: 18 }}>
          <Said what="Errors" found={difference(first.errors, second.errors)} arms={[label(first.arm), label(second.arm)]} good="less" />
          {names.map((name) => (
            <Said
              key={name}
              what={name}
              found={difference(first.scores.get(name) ?? null, second.scores.get(name) ?? null)}
              arms={[label(first.arm), label(second.arm)]}
              good="more"
            />
          ))}
        </ul>
      )}
    </div>
  );
}

const score = (value: number) => value.toFixed(2);

function Sure({ found, shown }: { found: Interval | null; shown: (value: number) => string }) {
  if (!found) return "–";
  return (
    <>
      {shown(found.value)} <span className="muted small">{`${shown(found.low)} to ${shown(found.high)}`}</span>
    </>
  );
}

interface SaidProps {
  what: string;
  found: Interval | null;
  arms: [string, string];
  good: "more" | "less";
}

/** `Errors: canary 1.2.0 has 1.2 points less than stable 1.0.0 (0.2 to 2.1): better.` */
function Said({ what, found, arms, good }: SaidProps) {
  if (!found) return null;
  const points = (value: number) => (value * 100).toFixed(1).replace("-", "−");
  const way = direction(found);
  const more = found.value >= 0;
  const bounds = more ? `${points(found.low)} to ${points(found.high)}` : `${points(-found.high)} to ${points(-found.low)}`;
  return (
    <li>
      {what}: {arms[0]} has {points(Math.abs(found.value))} points {more ? "more" : "less"} than {arms[1]} ({bounds}):{" "}
      {way === "unclear" ? <span className="muted">no difference is shown yet</span> : <Way good={way === good} />}.
    </li>
  );
}

function Way({ good }: { good: boolean }) {
  return <strong className={good ? "good" : "bad"}>{good ? "✓ better" : "✕ worse"}</strong>;
}
