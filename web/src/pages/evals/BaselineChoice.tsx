import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";

import type { Run } from "../../api/schema";
import { time } from "../../parts/format";
import { likeQuery } from "./queries";
import { isDraft, score, subject, unfinished } from "./runs";

export interface BaselineChoiceProps {
  candidate: Run;
  baseline: Run | null;
  /** The id that was asked for; empty: what the gate takes, or for a draft what production serves. */
  asked: string;
}

/** What the run is compared with: any other that measured the same on the same cases. */
export function BaselineChoice({ candidate, baseline, asked }: BaselineChoiceProps) {
  const navigate = useNavigate({ from: "/evals/compare" });
  const runs = useQuery(likeQuery(candidate.id)).data ?? [];
  const others = runs.filter((one) => one.id !== baseline?.id && !unfinished(one));
  const options = baseline ? [baseline, ...others] : others;
  const chosen = asked && baseline ? baseline.id : "";
  return (
    <>
      <label style={{ minWidth: 0 }}>
        Baseline
        <select
          value={chosen}
          style={{ width: "min(380px, 100%)" }}
          onChange={(event) => void navigate({ search: (before) => ({ ...before, baseline: event.target.value || undefined }), resetScroll: false })}
        >
          <option value="">{isDraft(candidate) ? "what production serves" : "what the gate takes"}</option>
          {options.map((one) => (
            <option key={one.id} value={one.id}>
              {subject(one)}, {score(one.score)}, {time(one.created_ns)}
              {isDraft(one) ? ", draft" : ""}
            </option>
          ))}
        </select>
      </label>
      {baseline && (
        <Link to="/evals/compare" search={{ run: baseline.id, baseline: candidate.id }} className="button" style={{ alignSelf: "end" }}>
          Swap
        </Link>
      )}
    </>
  );
}
