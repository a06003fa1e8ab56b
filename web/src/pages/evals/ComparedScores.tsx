import type { ComparedScore, GateVerdict, PairedDifference } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { count } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { bounds, score, signed, tone } from "./runs";
import { Whisker } from "./Whisker";

/** The least half of the scale, so that small differences look small. */
const LEAST = 0.1;

/** Each score of both runs: the difference with its interval, p and test, and what its gate says. */
export function ComparedScores({ scores, gates }: { scores: readonly ComparedScore[]; gates: readonly GateVerdict[] }) {
  const reach = Math.max(LEAST, ...scores.flatMap(({ difference }) => (difference ? [Math.abs(difference.low), Math.abs(difference.high)] : [])));
  const gate = (name: string) => gates.find((one) => one.gate.score === name && !one.gate.where);
  const columns: Column<ComparedScore>[] = [
    { key: "name", header: "Score", cell: (one) => <strong>{one.name}</strong>, sort: (one) => one.name },
    { key: "verdict", header: "Verdict", cell: (one) => <Says of={one} gate={gate(one.name)} /> },
    { key: "means", header: "Means", kind: "number", cell: (one) => `${score(one.baseline?.mean)} → ${score(one.candidate.mean)}` },
    { key: "difference", header: "Difference", kind: "number", cell: ({ difference }) => (difference ? signed(difference.mean) : "–"), sort: ({ difference }) => difference?.mean ?? 0 },
    { key: "interval", header: "95 % interval", cell: ({ difference }) => <span className="number">{difference ? bounds(difference.low, difference.high, signed) : "–"}</span> },
    {
      key: "picture",
      header: `−${reach.toFixed(2)} to +${reach.toFixed(2)}`,
      cell: (one) => {
        const margin = gate(one.name)?.gate.margin;
        const { mean, low, high } = one.difference ?? {};
        return <Whisker value={mean} low={low} high={high} from={-reach} to={reach} zero bound={margin == null ? null : -margin} />;
      },
    },
    { key: "p", header: "p", kind: "number", cell: ({ difference }) => chance(difference) },
    { key: "cases", header: "Worse / better", kind: "number", cell: (one) => `${count(one.worse)} / ${count(one.better)}`, sort: (one) => one.worse },
    { key: "detectable", header: "Could see", kind: "number", cell: (one) => score(one.detectable) },
  ];
  const incomplete = scores.filter((one) => one.incomplete > 0);
  return (
    <>
      <Table label="Scores of both runs" rows={scores} columns={columns} id={(one) => one.name} />
      {incomplete.length > 0 && (
        <p className="warn">! Cases with something missing on a side: {incomplete.map((one) => `${one.name} ${count(one.incomplete)}`).join(", ")}.</p>
      )}
      <p className="muted small">
        Differences are of paired cases, candidate less baseline; p is two-sided{tests(scores)}. The dashed line is the loss that a gate tolerates. “Could see”: the true
        difference that so many cases would show with 80 % power.
      </p>
    </>
  );
}

/** Which tests the p are of, each with its scores where there are several. */
function tests(scores: readonly ComparedScore[]): string {
  const names = new Map<string, string[]>();
  for (const { name, difference } of scores) if (difference) names.set(difference.method, [...(names.get(difference.method) ?? []), name]);
  const found = [...names].map(([method, of]) => (names.size === 1 ? `the ${method}` : `the ${method} for ${of.join(", ")}`));
  return found.length > 0 ? `, of ${found.join("; of ")}` : "";
}

const chance = (difference: PairedDifference | null): string => (difference ? (difference.p < 0.001 ? "< 0.001" : difference.p.toFixed(3)) : "–");

/** What its gate says; of a score that nothing is demanded of, on which side of 0 its interval lies. */
function Says({ of, gate }: { of: ComparedScore; gate: GateVerdict | undefined }) {
  if (gate) return <Badge tone={tone(gate.verdict)}>{gate.verdict}</Badge>;
  const [word, shade] = side(of.difference);
  return <Badge tone={shade}>{word}</Badge>;
}

function side(difference: PairedDifference | null): [string, Tone] {
  if (!difference) return ["nothing to compare", "neutral"];
  if (difference.high < 0) return ["worse", "bad"];
  if (difference.low > 0) return ["better", "good"];
  return ["no difference shown", "neutral"];
}
