import { Link } from "@tanstack/react-router";

import type { ChangeCounts, ComparedCase, RunComparison } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { CaseFilter } from "./CaseFilter";
import { CasePairing } from "./CasePairing";
import styles from "./ComparedCases.module.css";
import { CHANGES, type CompareSearch } from "./search";

/** Cases that are open at first. */
const OPEN = 3;

export interface ComparedCasesProps {
  comparison: RunComparison;
  /** Those that were loaded of what the filter leaves, in the order of `CHANGES`. */
  cases: readonly ComparedCase[];
  search: CompareSearch;
  /** Load more of them; undefined: there are no more. */
  more: (() => void) | undefined;
  waiting: boolean;
}

/** Case by case: what got worse first, then what changed both ways, what only one has, got better, is new, and last the same. */
export function ComparedCases({ comparison, cases, search, more, waiting }: ComparedCasesProps) {
  const all = counted(comparison.counts, search.change);
  return (
    <section className="stack">
      <h2>Cases</h2>
      <CaseFilter slices={comparison.slices} search={search} />
      <Kinds counts={comparison.counts} change={search.change} />
      {cases.map((one, index) => (
        <CasePairing key={one.case} pair={one} compared={comparison.baseline !== null} open={index < OPEN && one.change !== "same"} />
      ))}
      <p role="status" className="row muted">
        {waiting ? "Loading …" : all === 0 ? "There is no such case." : `${count(cases.length)} of ${count(all)}`}
        {more && !waiting && <Button onClick={more}>Show more</Button>}
      </p>
    </section>
  );
}

type Kind = CompareSearch["change"];

function counted(counts: ChangeCounts, kind: Kind): number {
  if (kind !== undefined && kind !== "changed") return counts[kind];
  return CHANGES.reduce((sum, one) => sum + (kind === "changed" && one === "same" ? 0 : counts[one]), 0);
}

const WORDS: Record<NonNullable<Kind>, string> = {
  changed: "changed",
  worse: "got worse",
  mixed: "both ways",
  single: "only in one run",
  better: "got better",
  new: "new",
  same: "the same",
};

function Kinds({ counts, change }: { counts: ChangeCounts; change: Kind }) {
  const kinds: Kind[] = [undefined, "changed", ...CHANGES.filter((one) => counts[one] > 0 || one === change)];
  return (
    <nav aria-label="Cases by what changed" className="row">
      {kinds.map((kind) => (
        <Link
          key={kind ?? "all"}
          from="/evals/compare"
          to="/evals/compare"
          search={(before) => ({ ...before, change: kind })}
          activeOptions={{ exact: true }}
          resetScroll={false}
          replace
          className={`button ${styles.kind}`}
          aria-current={kind === change ? "true" : undefined}
        >
          {kind ? WORDS[kind] : "all"} {count(counted(counts, kind))}
        </Link>
      ))}
    </nav>
  );
}
