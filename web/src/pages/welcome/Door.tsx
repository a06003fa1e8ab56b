import type { ReactNode } from "react";

import styles from "./Door.module.css";

/** What stands in front of the console. */
export function Door({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <main className={styles.door}>
      <div className={`panel stack ${styles.card}`}>
        <h1>{title}</h1>
        {about && <p className="muted">{about}</p>}
        {children}
      </div>
    </main>
  );
}
