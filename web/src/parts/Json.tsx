import styles from "./Json.module.css";

/** Levels that are open at first. */
const OPEN = 2;
/** Members of one object or list that are shown. */
const MOST = 500;
/** Levels that are shown as a tree; what is deeper is shown as one text. */
const DEEPEST = 40;

/** A JSON value as a tree that opens and closes. Whatever it says is shown as text. */
export function Json({ value, name, depth = 0 }: { value: unknown; name?: string; depth?: number }) {
  const members = membersOf(value);
  if (!members || members.length === 0 || depth > DEEPEST) {
    return (
      <div className={styles.line}>
        <Name name={name} />
        <Leaf value={value} />
      </div>
    );
  }
  return (
    <details className={styles.node} open={depth < OPEN}>
      <summary>
        <Name name={name} />
        <span className="muted">{Array.isArray(value) ? `${members.length} items` : `${members.length} members`}</span>
      </summary>
      <div className={styles.members}>
        {members.slice(0, MOST).map(([key, member]) => (
          <Json key={key} name={key} value={member} depth={depth + 1} />
        ))}
        {members.length > MOST && <p className="muted">… and {members.length - MOST} more</p>}
      </div>
    </details>
  );
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span className={styles.name}>{name}: </span>;
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") return <span className={styles.text}>{JSON.stringify(value)}</span>;
  return <span className={styles.other}>{JSON.stringify(value)}</span>;
}

function membersOf(value: unknown): [string, unknown][] | null {
  if (Array.isArray(value)) return value.map((member, index) => [String(index), member]);
  return typeof value === "object" && value !== null ? Object.entries(value) : null;
}

/** What a text says as JSON, when it is an object or a list; else null. */
export function parsed(text: string): object | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}
