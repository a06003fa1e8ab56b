import { Link } from "@tanstack/react-router";

import type { Assignment, Drift, Release } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, time } from "../../parts/format";
import { Arms } from "./Arms";
import { By } from "./By";
import { Drifts } from "./Drifts";
import { EvidenceBadges } from "./Evidence";
import { STRATEGIES } from "./names";
import { newRelease } from "./queries";
import styles from "./Releases.module.css";
import { Rollback } from "./Rollback";

interface PlaceCardProps {
  assignment: Assignment;
  releases: readonly Release[];
  drift: readonly Drift[];
}

/** What one environment serves for a prompt: since when, by whom, why, on what evidence; and the way back. */
export function PlaceCard({ assignment, releases, drift }: PlaceCardProps) {
  const { environment, prompt, progress, strategy, reason } = assignment;
  const newest = releases.find((one) => one.id === newRelease(assignment));
  const way = progress === "closed" ? "History" : "Rollout";
  return (
    <article className={`panel stack ${styles.card}`} aria-label={`${prompt} in ${environment}`}>
      <header className="row spread">
        <h3>
          <Link to="/releases/served" search={{ prompt, environment }}>
            {environment}
          </Link>
        </h3>
        {progress !== "closed" && (
          <Badge tone={progress === "paused" ? "warn" : "accent"}>
            {STRATEGIES[strategy]} {progress}
          </Badge>
        )}
      </header>
      <Arms assignment={assignment} releases={releases} />
      <div className="row">{newest && <EvidenceBadges evidence={newest.evidence} />}</div>
      <p className="small muted">
        <time dateTime={new Date(assignment.created_ns / 1e6).toISOString()} title={time(assignment.created_ns)}>
          {ago(assignment.created_ns)}
        </time>{" "}
        <By actor={assignment.actor} reason={reason} />
      </p>
      {assignment.overridden.length > 0 && (
        <p className="small">
          <Badge tone="bad">glass broken</Badge> {assignment.overridden.join("; ")}
        </p>
      )}
      <Drifts drift={drift} />
      <footer className="row spread">
        <Link to="/releases/served" search={{ prompt, environment }} className="button" aria-label={`${way} of ${prompt} in ${environment}`}>
          {way}
        </Link>
        <Rollback assignment={assignment} releases={releases} />
      </footer>
    </article>
  );
}
