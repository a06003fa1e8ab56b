import { useMemo } from "react";

import styles from "./LineDiff.module.css";
import { excerpt, lines } from "./lines";

/** How a file becomes another: the lines that change, with some around them. Nothing when they are the same. */
export function LineDiff({ before, after, label = "What changes" }: { before: string; after: string; label?: string }) {
  const found = useMemo(() => excerpt(lines(before, after)), [before, after]);
  if (found.length === 0) return null;
  const signs = { same: " ", gone: "−", new: "+" };
  const colours = { same: "", gone: styles.gone, new: styles.added };
  return (
    <pre className={styles.lines} tabIndex={0} role="region" aria-label={label}>
      {found.map((line, index) => (
        <span key={index} className={line ? colours[line.kind] : "muted"}>
          {line ? `${signs[line.kind]} ${line.text}` : "  ⋮"}
        </span>
      ))}
    </pre>
  );
}
