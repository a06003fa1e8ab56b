import type { Evidence } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";

const TONES: Record<string, Tone> = { pass: "good", regressed: "bad", inconclusive: "warn" };

/** What a release rests on, in a word for each suite; that there is nothing is said too. */
export function EvidenceBadges({ evidence }: { evidence: readonly Evidence[] }) {
  if (evidence.length === 0) return <Badge tone="warn">never evaluated</Badge>;
  return (
    <>
      {evidence.map((one) => (
        <VerdictBadge key={`${one.suite} ${one.run}`} evidence={one} />
      ))}
    </>
  );
}

/** `✓ support 0.960` */
export function VerdictBadge({ evidence }: { evidence: Evidence }) {
  const { suite, verdict, score } = evidence;
  return (
    <Badge tone={TONES[verdict] ?? "neutral"}>
      {suite} {verdict || "not gated"} {score === null ? "" : score.toFixed(3)}
    </Badge>
  );
}
