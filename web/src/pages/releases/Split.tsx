import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Assignment, Clearance, Release } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count, percent } from "../../parts/format";
import { steer } from "./acts";
import { inWords } from "./Arms";
import { Decide } from "./Decide";
import { MOST_USERS, share, usersQuery, versionOf } from "./queries";
import styles from "./Releases.module.css";

interface SplitProps {
  assignment: Assignment;
  releases: readonly Release[];
  /** What the rules say to more of it; less obeys none. */
  clearance: Clearance | undefined;
}

/** The share of a canary, by a slider. Nothing changes before it is confirmed. */
export function Split({ assignment, releases, clearance }: SplitProps) {
  const [moved, setMoved] = useState<number | null>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  const canary = assignment.arms[0];
  if (!canary) return null;
  const now = Math.round(share(assignment, canary) * 1000) / 10;
  const wanted = moved ?? now;
  const version = versionOf(releases, canary.release);
  const forbidden = wanted > now && clearance !== undefined && clearance.missing.length > 0;
  return (
    <div className={styles.slider}>
      <label>
        <span className="row spread">
          <span>Share of users that get {version}</span>
          <output className="number">{wanted === now ? `${now} %` : `${now} % → ${wanted} %`}</output>
        </span>
        <input type="range" min={1} max={99} step={1} value={wanted} onChange={(event) => setMoved(Number(event.target.value))} />
      </label>
      <div className="row">
        {[5, 10, 25, 50, 75].map((value) => (
          <Button key={value} onClick={() => setMoved(value)} aria-pressed={wanted === value}>
            {value} %
          </Button>
        ))}
        <Button
          kind={forbidden ? "danger" : "main"}
          disabled={wanted === now}
          onClick={() => setAsked({ at: assignment, version, from: now, to: wanted, lacking: forbidden ? clearance : undefined })}
        >
          {forbidden ? "Break the glass: set" : "Set"} to {wanted} % …
        </Button>
      </div>
      {forbidden && <p className="small">The rules of {assignment.environment} say no to more of it. Less of it is always allowed.</p>}
      {asked && (
        <Confirm
          {...asked}
          releases={releases}
          set={() => setMoved(null)}
          close={() => setAsked(null)}
        />
      )}
    </div>
  );
}

/** What was asked, as things stood then: the change itself arrives while the window is open. */
interface Asked {
  at: Assignment;
  version: string;
  /** Percent. */
  from: number;
  to: number;
  lacking: Clearance | undefined;
}

interface ConfirmProps {
  releases: readonly Release[];
  /** It was done: the slider stands where the share is again. */
  set: () => void;
  close: () => void;
}

function Confirm({ at, version, from, to, lacking, releases, set, close }: Asked & ConfirmProps) {
  const { prompt, environment, sequence } = at;
  return (
    <Decide
      title={`${version}: from ${from} % to ${to} % in ${environment}`}
      label={`Set to ${to} %`}
      ruled={to > from}
      lacking={lacking}
      act={async ({ reason, glass }) => {
        const done = await steer({ prompt, environment, sequence, action: "promote", percent: to, reason, arm: "", break_glass: glass });
        set();
        return done;
      }}
      done={(done) => `${environment} serves ${inWords(done.assignment, releases)}.`}
      close={close}
    >
      <Meaning assignment={at} from={from / 100} to={to / 100} />
    </Decide>
  );
}

/** How many people that is, by who called in the last hour. */
function Meaning({ assignment, from, to }: { assignment: Assignment; from: number; to: number }) {
  const users = useQuery(usersQuery(assignment.prompt, assignment.environment));
  const found = users.data ?? [];
  const about = found.length === MOST_USERS ? `${count(found.length)} or more` : count(found.length);
  const calls = found.reduce((sum, user) => sum + user.calls, 0);
  return (
    <>
      <p>
        {percent(from, 0)} of the users get the new version now, {percent(to, 0)} will.{" "}
        {to > from ? "Those who have it keep it." : "Those who are no longer on it get the old one again."}
        {assignment.progress === "paused" && " The rollout, which is paused, goes on."}
      </p>
      {users.data && (
        <p className="muted">
          {found.length === 0
            ? "Nobody who is named called in the last hour."
            : `In the last hour ${about} users made ${count(calls)} calls: about ${count(Math.round(found.length * from))} of them are on it now, about ${count(Math.round(found.length * to))} will be.`}
        </p>
      )}
    </>
  );
}
