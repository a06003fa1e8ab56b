import { DIMENSIONS, type Filters, NAMES } from "./dimensions";
import styles from "./Spend.module.css";

/** What is looked at is narrowed to these; each can be taken away. */
export function FilterChips({ filters, set }: { filters: Filters; set: (filters: Filters) => void }) {
  const names = NAMES.filter((name) => filters[name]);
  if (names.length === 0) return null;
  const without = (name: (typeof NAMES)[number]): Filters => Object.fromEntries(Object.entries(filters).filter(([each]) => each !== name));
  return (
    <ul className={styles.chips} aria-label="Narrowed to">
      {names.map((name) => (
        <li key={name}>
          <span className="muted">{DIMENSIONS[name]}</span> {filters[name]}
          <button type="button" onClick={() => set(without(name))} aria-label={`Any ${DIMENSIONS[name].toLowerCase()}`}>
            ✕
          </button>
        </li>
      ))}
      {names.length > 1 && (
        <li>
          <button type="button" onClick={() => set({})}>
            All spending
          </button>
        </li>
      )}
    </ul>
  );
}
