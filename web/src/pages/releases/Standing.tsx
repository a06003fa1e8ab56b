import { Link } from "@tanstack/react-router";

import type { Clearance, Lack, Vote } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, time } from "../../parts/format";
import { person } from "./names";
import styles from "./Releases.module.css";

interface StandingProps {
  clearance: Clearance;
  id?: string;
  /** Show the way to the release, where one can approve it. */
  leads?: boolean;
}

/** Who said yes so far, and what is missing until an environment may serve a release to everybody. */
export function Standing({ clearance, id, leads = false }: StandingProps) {
  const { approvals, missing, environment, overridden, served } = clearance;
  return (
    <div className="stack" style={{ gap: 6 }} id={id}>
      {served ? (
        <p className="muted small">{environment} serves it to everybody: no rule is asked.</p>
      ) : (
        <div className="row">
          {missing.length === 0 ? <Badge tone="good">nothing is missing</Badge> : <Badge tone="warn">{things(missing.length)} missing</Badge>}
          <Approved clearance={clearance} leads={leads} />
        </div>
      )}
      {approvals.length > 0 && (
        <ul className={styles.votes} aria-label={`Approvals for ${environment}`}>
          {approvals.map((one) => (
            <VoteLine key={`${one.actor} ${one.created_ns}`} vote={one} />
          ))}
        </ul>
      )}
      <Lacks environment={environment} missing={missing} />
      {overridden.length > 0 && <p className="small muted">Broken to begin it, and not asked again: {overridden.join("; ")}</p>}
    </div>
  );
}

const things = (many: number) => (many === 1 ? "one thing is" : `${many} things are`);

/** `1 of 2 approvals`, with the way to give one; nothing where none is needed or given. */
function Approved({ clearance: { approved, needed, approvals, release }, leads }: { clearance: Clearance; leads: boolean }) {
  if (needed === 0 && approvals.length === 0) return null;
  return (
    <>
      <Badge tone={approved >= needed ? "good" : "warn"}>
        {needed === 0 ? `${approved} approved` : `${approved} of ${needed} ${needed === 1 ? "approval" : "approvals"}`}
      </Badge>
      {leads && approved < needed && (
        <Link to="/releases/$id" params={{ id: release }} className="small">
          Look at it and approve
        </Link>
      )}
    </>
  );
}

/** `Ada, 2026-11-22 10:03:07: “looks good”` */
function VoteLine({ vote: { actor, created_ns, comment, counts } }: { vote: Vote }) {
  return (
    <li>
      <span title={actor}>{person(actor)}</span>, <time title={ago(created_ns)}>{time(created_ns)}</time>
      {comment && `: “${comment}”`} {!counts && <Badge>does not count: they wrote or release it</Badge>}
    </li>
  );
}

/** The rules that say no, each with what to do. */
export function Lacks({ environment, missing }: { environment: string; missing: readonly Lack[] }) {
  if (missing.length === 0) return null;
  return (
    <ul className={styles.lacks} aria-label={`What ${environment} is missing`}>
      {missing.map((one) => (
        <li key={one.what}>
          <strong>
            {environment} {one.what}.
          </strong>{" "}
          <span className="muted">{one.remedy}</span>
        </li>
      ))}
    </ul>
  );
}
