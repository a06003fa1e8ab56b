import { Badge } from "../../parts/Badge";
import type { Finding } from "./drafts";
import styles from "./Editor.module.css";

interface Props {
  findings: readonly Finding[];
  settled: boolean;
  /** The draft's own file; where else something stands is said. */
  path: string;
  /** Leads to a finding; nothing for one in a file that the draft does not consist of. */
  goTo: (finding: Finding) => (() => void) | undefined;
}

/** What lint finds in the files of a draft, and in versions that its partials are a part of too. */
export function Findings({ findings, settled, path, goTo }: Props) {
  const errors = findings.filter((one) => one.severity === "error").length;
  const warnings = findings.length - errors;
  return (
    <section className="stack" aria-labelledby="lint">
      <h3 id="lint" className="row">
        Lint
        <span role="status" className="row">
          {errors > 0 && <Badge tone="bad">{errors === 1 ? "1 error" : `${errors} errors`}</Badge>}
          {warnings > 0 && <Badge tone="warn">{warnings === 1 ? "1 warning" : `${warnings} warnings`}</Badge>}
          {findings.length === 0 && settled && <Badge tone="good">nothing found</Badge>}
        </span>
      </h3>
      {findings.length > 0 && (
        <ul className={styles.findings}>
          {findings.map((one, index) => (
            <li key={index}>
              <One finding={one} place={one.path === path ? "" : one.path} goTo={goTo(one)} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function One({ finding, place, goTo }: { finding: Finding; place: string; goTo: (() => void) | undefined }) {
  const { severity, line, message, rule, remedy } = finding;
  return (
    <button type="button" className={styles.finding} disabled={!goTo} onClick={goTo}>
      <span className={severity === "error" ? "bad" : "warn"}>{severity === "error" ? "✕ error" : "! warning"}</span>
      <span className="muted number">{line ? `line ${line}` : "file"}</span>
      <span>
        {place && <code>{place}: </code>}
        {message} <code>{rule}</code>
        {remedy && <span className="muted"> {remedy}</span>}
      </span>
    </button>
  );
}
