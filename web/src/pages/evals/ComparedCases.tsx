import { Link } from "@tanstack/react-router";
import { useEffect } from "react";

import type { ComparedCase, RunComparison } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { CasePairing } from "./CasePairing";
import styles from "./ComparedCases.module.css";
import { CHANGES, type Change } from "./routes";

/** Cases that are open at first. */
const OPEN = 3;
/** Cases of a kind that are looked for before somebody asks for more. */
const ENOUGH = 20;

export interface ComparedCasesProps {
  comparison: RunComparison;
  /** Those that were loaded, in the order of `CHANGES`. */
  cases: readonly ComparedCase[];
  change: Change | undefined;
  /** Load more of them; undefined: there are no more. */
  more: (() => void) | undefined;
  waiting: boolean;
}

/** Case by case: what got worse first, then what changed both ways, got better, is new, and last the same. */
export function ComparedCases({ comparison, cases, change, more, waiting }: ComparedCasesProps) {
  const { counts } = comparison;
  const shown = change ? cases.filter((one) => one.change === change) : cases;
  const all = change ? counts[change] : CHANGES.reduce((sum, one) => sum + counts[one], 0);
  const lacking = shown.length < Math.min(all, ENOUGH);
  useEffect(() => {
    if (lacking && !waiting) more?.();
  }, [lacking, waiting, more]);
  return (
    <section className="stack">
      <h2>Cases</h2>
      <Kinds comparison={comparison} change={change} />
      {shown.map((one, index) => (
        <CasePairing key={one.case} pair={one} compared={comparison.baseline !== null} open={index < OPEN && one.change !== "same"} />
      ))}
      <p role="status" className="row muted">
        {waiting ? "Loading …" : all === 0 ? "There is no such case." : `${count(shown.length)} of ${count(all)}`}
        {more && !waiting && shown.length < all && <Button onClick={more}>Show more</Button>}
      </p>
    </section>
  );
}

const WORDS: Record<Change, string> = { worse: "got worse", mixed: "both ways", better: "got better", new: "new", same: "the same" };

function Kinds({ comparison: { counts }, change }: { comparison: RunComparison; change: Change | undefined }) {
  const kinds = [undefined, ...CHANGES.filter((one) => counts[one] > 0 || one === change)];
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
          {kind ? `${WORDS[kind]} ${count(counts[kind])}` : "all"}
        </Link>
      ))}
    </nav>
  );
}
