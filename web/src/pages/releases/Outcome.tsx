import type { ReactNode } from "react";

import type { Done } from "./acts";
import styles from "./Releases.module.css";

/** An act is done: what holds now, and how long it took until the server served it. */
export function Outcome({ done, children }: { done: Done; children: ReactNode }) {
  return (
    <div role="status" className={styles.done}>
      <p>
        <strong>
          <span aria-hidden="true">✓</span> {children}
        </strong>
      </p>
      <p className="small">
        {done.live
          ? `The server serves it; that took ${done.seconds.toFixed(2)} s.`
          : `It is stored. This server did not show it within ${done.seconds.toFixed(0)} s and will by itself: look here again.`}
      </p>
      {done.assignment.overridden.length > 0 && <p className="small">Rules that were broken: {done.assignment.overridden.join("; ")}</p>}
    </div>
  );
}
