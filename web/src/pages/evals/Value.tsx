import { Json } from "../../parts/Json";
import styles from "./Value.module.css";

/** A value by its name: a text as text, anything else as a tree. Without one nothing, or the words for that. */
export function Value({ title, value, none }: { title: string; value: unknown; none?: string }) {
  if (isNothing(value)) return none ? <p className="muted">{none}</p> : null;
  return (
    <section className={styles.value}>
      <p className={styles.title}>{title}</p>
      {typeof value === "string" ? (
        <pre tabIndex={0} role="group" aria-label={title} className={styles.text}>
          {value}
        </pre>
      ) : (
        <Json value={value} />
      )}
    </section>
  );
}

function isNothing(value: unknown): boolean {
  if (value == null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
