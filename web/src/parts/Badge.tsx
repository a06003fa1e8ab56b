import type { ReactNode } from "react";

import styles from "./Badge.module.css";

export type Tone = "good" | "warn" | "bad" | "accent" | "neutral";

const SIGNS: Record<Tone, string> = { good: "✓", warn: "!", bad: "✕", accent: "", neutral: "" };

/** A word about a state. The sign says it too, for those who do not see the colour. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  const sign = SIGNS[tone];
  return (
    <span className={`${styles.badge} ${styles[tone] ?? ""}`}>
      {sign && <span aria-hidden="true">{sign}</span>}
      {children}
    </span>
  );
}
