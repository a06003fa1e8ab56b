import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { Assignment, Release } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { ago, time } from "../../parts/format";
import { inWords } from "./Arms";
import { By } from "./By";
import { STRATEGIES } from "./names";
import { newRelease, versionOf } from "./queries";
import styles from "./Releases.module.css";

const MANY = 20;

/** Everything the environment served, newest first: who, why, and what was different. */
export function History({ history, releases }: { history: readonly Assignment[]; releases: readonly Release[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? history : history.slice(0, MANY);
  return (
    <section className="panel stack" aria-label="History">
      <h2>History</h2>
      <ol className={styles.timeline}>
        {shown.map((one, index) => (
          <Moment key={one.sequence} assignment={one} before={history[index + 1]} releases={releases} now={index === 0} />
        ))}
      </ol>
      {history.length > shown.length && (
        <div>
          <Button onClick={() => setAll(true)}>Show all {history.length}</Button>
        </div>
      )}
    </section>
  );
}

interface MomentProps {
  assignment: Assignment;
  before: Assignment | undefined;
  releases: readonly Release[];
  now: boolean;
}

function Moment({ assignment, before, releases, now }: MomentProps) {
  const { prompt, reason, actor, created_ns, overridden, returns_to, strategy, progress } = assignment;
  const to = versionOf(releases, newRelease(assignment));
  const from = before ? versionOf(releases, newRelease(before)) : "";
  return (
    <li data-now={now}>
      <div className="row">
        <strong>{inWords(assignment, releases)}</strong>
        {now && <Badge tone="accent">now</Badge>}
        {strategy !== "all" && (
          <Badge>
            {STRATEGIES[strategy]} {progress}
          </Badge>
        )}
        {returns_to > 0 && <Badge tone="warn">rolled back to no. {returns_to}</Badge>}
        {overridden.length > 0 && <Badge tone="bad">glass broken</Badge>}
      </div>
      <span className="small muted">
        No. {assignment.sequence} · <time title={ago(created_ns)}>{time(created_ns)}</time> <By actor={actor} reason={reason} />
      </span>
      {overridden.length > 0 && <span className="small">Rules that were broken: {overridden.join("; ")}</span>}
      {from && from !== to && (
        <Link to="/prompts/$" params={{ _splat: prompt }} search={{ tab: "differences", from, to }} className="small">
          What is different from {from} to {to}
        </Link>
      )}
    </li>
  );
}
