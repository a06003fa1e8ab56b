import { useMemo } from "react";

import styles from "./WordDiff.module.css";
import { changes } from "./words";

/** One text made from another: what went is struck through, what came is underlined. */
export function WordDiff({ before, after }: { before: string; after: string }) {
  const pieces = useMemo(() => changes(before, after), [before, after]);
  return (
    <pre className={styles.text}>
      {pieces.map((piece, index) => {
        if (piece.kind === "gone") return <del key={index}>{piece.text}</del>;
        if (piece.kind === "new") return <ins key={index}>{piece.text}</ins>;
        return <span key={index}>{piece.text}</span>;
      })}
    </pre>
  );
}
