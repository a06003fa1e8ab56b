import type { RunScore } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { count, percent } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { Bins } from "./Bins";
import { bounds, score } from "./runs";
import { Whisker } from "./Whisker";

/** Each score over cases: mean, interval, distribution; and how many cases have none. */
export function Scores({ scores, repeats }: { scores: readonly RunScore[]; repeats: number }) {
  const columns = repeats > 1 ? [...COLUMNS, FLAKY] : COLUMNS;
  const marked = scores.filter((one) => one.mark);
  return (
    <>
      <Table label="Scores" rows={scores} columns={columns} id={(one) => one.name} />
      {marked.map((one) => one.mark && <Mark key={one.name} name={one.name} mark={one.mark} />)}
      <p className="muted small">Intervals are of 95 %, by Wilson's method; where scores are graded or cases belong together, for what the cases are worth.</p>
    </>
  );
}

const COLUMNS: Column<RunScore>[] = [
  {
    key: "name",
    header: "Score",
    cell: (one) => (
      <>
        <strong>{one.name}</strong> {one.gated && <Badge>gated</Badge>}
      </>
    ),
    sort: (one) => one.name,
  },
  { key: "kind", header: "Scorer", cell: (one) => one.kind || <span className="warn">! not in the suite now</span> },
  { key: "mean", header: "Mean", kind: "number", cell: (one) => score(one.summary.mean), sort: (one) => one.summary.mean ?? -1 },
  { key: "interval", header: "95 % interval", cell: (one) => <span className="number">{bounds(one.summary.low, one.summary.high)}</span> },
  { key: "picture", header: "0 to 1", cell: (one) => <Whisker value={one.summary.mean} low={one.summary.low} high={one.summary.high} /> },
  { key: "bins", header: "Cases by score", cell: (one) => <Bins bins={one.bins} /> },
  { key: "n", header: "Cases", kind: "number", cell: (one) => count(one.summary.n) },
  {
    key: "errors",
    header: "Errors",
    kind: "number",
    cell: (one) => (one.summary.errors > 0 ? <span className="bad">✕ {count(one.summary.errors)}</span> : "0"),
    sort: (one) => one.summary.errors,
  },
  { key: "not_run", header: "Not run", kind: "number", cell: (one) => count(one.summary.not_run), sort: (one) => one.summary.not_run },
];

const FLAKY: Column<RunScore> = { key: "flaky", header: "Flaky", kind: "number", cell: (one) => percent(one.summary.flake_rate) };

function Mark({ name, mark }: { name: string; mark: NonNullable<RunScore["mark"]> }) {
  return (
    <p className={mark.trusted ? "muted" : "warn"}>
      {!mark.trusted && "! "}
      {name} is a model's opinion; {mark.text}.{mark.mean != null && ` Corrected for what it gets wrong: ${score(mark.mean)} (${bounds(mark.low, mark.high)}).`}
    </p>
  );
}
