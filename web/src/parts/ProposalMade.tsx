import { Link } from "@tanstack/react-router";

import type { Proposed } from "../api/schema";
import { Badge } from "./Badge";
import { Command } from "./Command";
import { Outside } from "./Outside";

/** A proposal that was just made, and how others get to see it. */
export function ProposalMade({ made }: { made: Proposed }) {
  return (
    <section className="panel stack" role="status" aria-label="Proposed">
      <h2 className="row">
        Proposed <Badge tone="good">{made.branch}</Badge>
      </h2>
      <p>
        Commit <code>{made.commit.slice(0, 12)}</code> with {made.files.join(", ")}. Nothing that is served has changed.
      </p>
      {made.push_problem && <p className="warn">! It was not pushed: {made.push_problem}</p>}
      {made.compare_url && <Outside url={made.compare_url} label="Make a pull request" />}
      {made.pushed ? (
        <>
          <p className="muted">To look at it in another clone:</p>
          <Command text={`git fetch && git switch ${made.branch}`} />
        </>
      ) : (
        <>
          <p className="muted">The branch is in the repository this server runs on. To look at it there, and to push it:</p>
          <Command text={`git diff ${made.base.slice(0, 12)}..${made.branch}`} />
          <Command text={`git push origin ${made.branch}`} />
        </>
      )}
      <Link to="/prompts" search={{ show: "proposals" }}>
        All proposals
      </Link>
    </section>
  );
}
