import type { GateVerdict, RunScore, SuiteGate } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { type Column, Table } from "../../parts/Table";
import { bounds, score, tone } from "./runs";
import { Whisker } from "./Whisker";

/** What a gate demands, in few words: at least 0.7, at most 0.05 lost. */
export function demand(gate: SuiteGate): string {
  const parts = [gate.min == null ? "" : `at least ${gate.min}`, gate.margin == null ? "" : `at most ${gate.margin} lost`];
  return parts.filter(Boolean).join(", ");
}

/** A gate's name: its score, and the slice that it looks at. */
export const gateName = (gate: SuiteGate): string => (gate.where ? `${gate.score}, ${gate.where}` : gate.score);

const id = (gate: SuiteGate): string => `${gateName(gate)} ${gate.min} ${gate.margin}`;

/** What each gate says and why; beside the number that it is about, where those of a run are given. */
export function Gates({ gates, scores }: { gates: readonly GateVerdict[]; scores?: readonly RunScore[] }) {
  const columns = [...DEMANDS, ...(scores ? numbers(scores) : []), WHY];
  return <Table label="Gates" rows={gates} columns={columns} id={(one) => id(one.gate)} />;
}

const DEMANDS: Column<GateVerdict>[] = [
  { key: "verdict", header: "Verdict", cell: (one) => <Badge tone={tone(one.verdict)}>{one.verdict}</Badge> },
  { key: "gate", header: "Gate", cell: (one) => <strong>{gateName(one.gate)}</strong> },
  { key: "demand", header: "Demands", cell: (one) => demand(one.gate) },
];

const WHY: Column<GateVerdict> = { key: "why", header: "Why", kind: "text", cell: (one) => <Why gate={one} /> };

/** Means over all cases: a gate of a slice has none of them. */
function numbers(scores: readonly RunScore[]): Column<GateVerdict>[] {
  const of = ({ gate }: GateVerdict) => (gate.where ? undefined : scores.find((one) => one.name === gate.score)?.summary);
  return [
    { key: "mean", header: "Mean", kind: "number", cell: (one) => score(of(one)?.mean) },
    { key: "interval", header: "95 % interval", cell: (one) => bounds(of(one)?.low, of(one)?.high) },
    {
      key: "picture",
      header: "0 to 1",
      cell: (one) => <Whisker value={of(one)?.mean} low={of(one)?.low} high={of(one)?.high} bound={one.gate.min} />,
    },
  ];
}

/** The reason of a verdict, and what would decide it. */
function Why({ gate }: { gate: GateVerdict }) {
  return (
    <>
      {gate.reason}
      {gate.way_out && <div className="muted">{gate.way_out}</div>}
    </>
  );
}
