import type { JudgeMeasure, JudgeSlice } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { count } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { bounds, score, signed } from "./runs";
import { Whisker } from "./Whisker";

/** Least agreement first; where it is not known last. */
const byAgreement = (one: JudgeSlice, other: JudgeSlice): number => (one.kappa.value ?? 2) - (other.kappa.value ?? 2);

/** How far a judge agrees with people in parts of the cases, where it agrees least first. */
export function JudgeSlices({ slices, name }: { slices: readonly JudgeSlice[]; name: string }) {
  if (slices.length === 0) {
    return (
      <p className="muted small">
        Not known by slice: no slice of the suite, and no tag, has five labelled answers.
      </p>
    );
  }
  return (
    <div className="stack">
      <h3>By slice</h3>
      <Table label={`Agreement of ${name} by slice`} rows={[...slices].sort(byAgreement)} columns={COLUMNS} id={(one) => one.name} height="50vh" />
    </div>
  );
}

const known = (measure: JudgeMeasure, said: (value: number) => string): string => (measure.value == null ? "not known" : said(measure.value));

const COLUMNS: Column<JudgeSlice>[] = [
  { key: "name", header: "Slice", kind: "cut", cell: (one) => one.name, sort: (one) => one.name },
  { key: "n", header: "Answers", kind: "number", cell: (one) => count(one.n), sort: (one) => one.n },
  { key: "kappa", header: "Kappa", kind: "number", cell: (one) => known(one.kappa, score), sort: (one) => one.kappa.value ?? 2 },
  { key: "interval", header: "95 % interval", cell: (one) => <span className="number">{bounds(one.kappa.low, one.kappa.high, (value) => (value < 0 ? signed(value) : score(value)))}</span> },
  { key: "picture", header: "−1 to 1", cell: ({ kappa }) => <Whisker value={kappa.value} low={kappa.low} high={kappa.high} from={-1} to={1} zero /> },
  { key: "shift", header: "Too high by", kind: "number", cell: (one) => known(one.shift, signed), sort: (one) => one.shift.value ?? 0 },
  { key: "shift interval", header: "95 % interval", cell: (one) => <span className="number">{bounds(one.shift.low, one.shift.high, signed)}</span> },
  { key: "length", header: "Length bias", kind: "number", cell: (one) => (one.length_bias ? known(one.length_bias, signed) : "–") },
  { key: "passes", header: "Passes right", kind: "number", cell: (one) => known(one.tpr, score) },
  { key: "fails", header: "Fails right", kind: "number", cell: (one) => known(one.tnr, score) },
  { key: "few", header: "Worth", cell: (one) => one.few && <Badge tone="warn">few answers</Badge> },
];
