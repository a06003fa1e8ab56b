import { Link } from "@tanstack/react-router";

import type { Arm, Assignment, Release } from "../../api/schema";
import { percent } from "../../parts/format";
import styles from "./Releases.module.css";
import { nameOf, share, versionOf, weightOf } from "./queries";

/** Who gets what: each arm with its version and its part of the users, as a bar and in words. */
export function Arms({ assignment, releases }: { assignment: Assignment; releases: readonly Release[] }) {
  const shared = assignment.arms.length > 1;
  return (
    <div className="stack" style={{ gap: 6 }}>
      {shared && (
        <div className={styles.bar} aria-hidden="true">
          {assignment.arms.map((arm, index) => (
            <span key={nameOf(arm)} data-arm={index % 4} style={{ width: `${share(assignment, arm) * 100}%` }} />
          ))}
        </div>
      )}
      <ul className={styles.arms}>
        {assignment.arms.map((arm, index) => (
          <li key={`${nameOf(arm)} ${arm.release}`}>
            {shared && <span className={styles.sample} data-arm={index % 4} aria-hidden="true" />}
            <ArmLine arm={arm} part={shared ? percent(share(assignment, arm), 0) : ""} releases={releases} />
          </li>
        ))}
        {assignment.shadow && (
          <li>
            <ArmLine arm={assignment.shadow} part={`a copy of ${percent(weightOf(assignment.shadow), 0)} of the calls`} releases={releases} />
          </li>
        )}
      </ul>
    </div>
  );
}

function ArmLine({ arm, part, releases }: { arm: Arm; part: string; releases: readonly Release[] }) {
  return (
    <>
      <Link to="/releases/$id" params={{ id: arm.release }} className={styles.version}>
        {versionOf(releases, arm.release)}
      </Link>
      {arm.name && <span>{arm.name}</span>}
      {part && <span className="muted">{part}</span>}
    </>
  );
}

/** `canary 20 % 1.2.0, stable 80 % 1.0.0` */
export function inWords(assignment: Assignment, releases: readonly Release[]): string {
  if (assignment.arms.length === 1) return versionOf(releases, assignment.arms[0]?.release ?? "");
  return assignment.arms.map((arm) => `${nameOf(arm)} ${percent(share(assignment, arm), 0)} ${versionOf(releases, arm.release)}`).join(", ");
}
