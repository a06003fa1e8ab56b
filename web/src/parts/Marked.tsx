import styles from "./Marked.module.css";
import { type Marking, pieces } from "./marks";

/** A text with places that something was found in. */
export function Marked({ text, markings }: { text: string; markings: readonly Marking[] }) {
  return (
    <pre className={styles.text}>
      {pieces(text, markings).map((piece, index) =>
        piece.labels.length > 0 ? (
          <mark key={index} className={styles.mark} title={piece.labels.join(", ")}>
            {piece.text}
            <span className="hidden-visually"> ({piece.labels.join(", ")})</span>
          </mark>
        ) : (
          <span key={index}>{piece.text}</span>
        ),
      )}
    </pre>
  );
}
