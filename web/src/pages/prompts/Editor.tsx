import { useMemo, useRef } from "react";

import { ApiError } from "../../api/client";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Failure } from "../../parts/States";
import { type Drafting, type Finding, useFindings, usePreview, useSets, useVariables } from "./drafts";
import styles from "./Editor.module.css";
import { Costs, Preview } from "./Preview";
import { valued } from "./variables";
import { ValueSets } from "./ValueSets";
import { type Part, isVersion, nextVersion } from "./versions";
import { YamlField, type YamlHandle } from "./YamlField";

interface Props {
  name: string;
  drafting: Drafting;
  known: readonly string[];
}

/** Write the next version: its file, what lint finds while it is written, what it looks like with values, what it costs. */
export function Editor({ name, drafting, known }: Props) {
  const { draft, change } = drafting;
  const field = useRef<YamlHandle>(null);
  const findings = useFindings(name, draft);
  const found = findings.data ?? [];
  return (
    <div className={styles.halves}>
      <section className="stack" aria-labelledby="file">
        <div className="row spread">
          <h2 id="file">File</h2>
          <NextVersion drafting={drafting} known={known} />
        </div>
        <YamlField ref={field} label={`File of ${name}`} value={draft.text} change={(text) => change({ text })} findings={found} />
        {findings.isError ? (
          <Failure error={findings.error} retry={() => void findings.refetch()} />
        ) : (
          <Findings findings={found} settled={!findings.isPlaceholderData && findings.isSuccess} goTo={(line, column) => field.current?.goTo(line, column)} />
        )}
      </section>
      <Tried name={name} drafting={drafting} />
    </div>
  );
}

function NextVersion({ drafting, known }: { drafting: Drafting; known: readonly string[] }) {
  const { draft, taken, change } = drafting;
  const problem = !isVersion(draft.version)
    ? "Write it like 1.4.0"
    : taken.includes(draft.version)
      ? "There is this version already"
      : "";
  return (
    <div className="row">
      <label className="row">
        Version
        <input
          className={styles.version}
          value={draft.version}
          aria-invalid={problem !== ""}
          aria-describedby="version-problem"
          onChange={(event) => change({ version: event.target.value.trim() })}
        />
      </label>
      <span role="group" aria-label="Next version">
        {(["patch", "minor", "major"] as const satisfies readonly Part[]).map((part) => (
          <Button key={part} kind="plain" onClick={() => change({ version: nextVersion(known, part) })} title={nextVersion(known, part)}>
            {part}
          </Button>
        ))}
      </span>
      <span id="version-problem" className="bad small" role="status">
        {problem && `✕ ${problem}`}
      </span>
    </div>
  );
}

interface FindingsProps {
  findings: readonly Finding[];
  settled: boolean;
  goTo: (line: number, column: number) => void;
}

function Findings({ findings, settled, goTo }: FindingsProps) {
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
              <button type="button" className={styles.finding} onClick={() => goTo(one.line || 1, one.column || 1)}>
                <span className={one.severity === "error" ? "bad" : "warn"}>{one.severity === "error" ? "✕ error" : "! warning"}</span>
                <span className="muted number">{one.line ? `line ${one.line}` : "file"}</span>
                <span>
                  {one.message} <code>{one.rule}</code>
                  {one.remedy && <span className="muted"> {one.remedy}</span>}
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Tried({ name, drafting }: { name: string; drafting: Drafting }) {
  const { draft } = drafting;
  const [sets, keep] = useSets(name);
  const variables = useVariables(name, draft);
  const current = sets[0];
  const typed = current?.typed;
  const { values, problems } = useMemo(() => valued(variables, typed ?? {}), [variables, typed]);
  const { query, preview } = usePreview(name, draft, values);
  // What cannot be read is among lint's findings, at its line.
  const unreadable = query.error instanceof ApiError && query.error.status === 400;
  return (
    <section className="stack" aria-labelledby="looks">
      <h2 id="looks">With values</h2>
      {unreadable && (
        <p className="warn small" role="status">
          ! The file cannot be read as it is: see lint. Below is how it was before.
        </p>
      )}
      {preview?.cost && <Costs cost={preview.cost} served={preview.served} />}
      <ValueSets sets={sets} keep={keep} variables={variables} problems={problems} />
      {query.isError && !unreadable && <Failure error={query.error} retry={() => void query.refetch()} />}
      {preview && <Preview preview={preview} />}
    </section>
  );
}
