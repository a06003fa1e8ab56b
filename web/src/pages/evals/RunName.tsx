import { Link } from "@tanstack/react-router";

import type { Run } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { isDraft, subject, tone, word } from "./runs";

/** The verdict of a run, or how far it came; and whether it is a draft's. */
export function RunState({ run }: { run: Run }) {
  return (
    <>
      <Badge tone={tone(word(run))}>{word(run)}</Badge>
      {isDraft(run) && (
        <>
          {" "}
          <Badge tone="accent">draft</Badge>
        </>
      )}
    </>
  );
}

/** A run by what answered, as a link to it. */
export function RunLink({ run }: { run: Run }) {
  return (
    <Link to="/evals/runs/$id" params={{ id: run.id }}>
      {subject(run) || run.id}
    </Link>
  );
}
