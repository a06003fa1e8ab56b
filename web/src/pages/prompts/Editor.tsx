import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";

import { ApiError } from "../../api/client";
import { Button } from "../../parts/Button";
import { Failure } from "../../parts/States";
import { type Drafting, type Finding, pathOf, useFindings, usePreview, useSets, useVariables } from "./drafts";
import styles from "./Editor.module.css";
import { FileField, type FileHandle } from "./FileField";
import { Files } from "./Files";
import { Findings } from "./Findings";
import { PartialFile } from "./PartialFile";
import { partialOf, partialPath } from "./partials";
import { Costs, Preview } from "./Preview";
import { usePartChanges, useParts } from "./useParts";
import { valued } from "./variables";
import { ValueSets } from "./ValueSets";
import { type Part as NumberPart, isVersion, nextVersion } from "./versions";

const route = getRouteApi("/inside/prompts/$");

interface Props {
  name: string;
  drafting: Drafting;
  known: readonly string[];
}

/** Write the next version: its files, what lint finds while they are written, what it looks like with values, what it costs. */
export function Editor({ name, drafting, known }: Props) {
  return (
    <div className={styles.halves}>
      <Written name={name} drafting={drafting} known={known} />
      <Tried name={name} drafting={drafting} />
    </div>
  );
}

/** The files of the draft, one of them open. */
function Written({ name, drafting, known }: Props) {
  const { draft, change } = drafting;
  const parts = useParts(name, drafting);
  const changes = usePartChanges(drafting, parts);
  const variables = useVariables(name, draft);
  const findings = useFindings(name, draft);
  const found = findings.data ?? [];
  const path = pathOf(name, draft.version);
  const { shown, show, field, leadTo } = useShown(path);
  const part = parts.parts.find((one) => one.name === shown);
  const copied = async (of: NonNullable<typeof part>) => show(await changes.copy(of));
  return (
    <section className="stack" aria-labelledby="file">
      <div className="row spread">
        <h2 id="file">Files</h2>
        <NextVersion drafting={drafting} known={known} />
      </div>
      <Files name={name} path={path} parts={parts} findings={found} shown={part ? shown : ""} remove={changes.remove} />
      {parts.error && <Failure error={parts.error} />}
      {part ? (
        <PartialFile
          key={part.name}
          ref={field}
          part={part}
          prompt={name}
          variables={Object.keys(variables)}
          findings={found.filter((one) => one.path === partialPath(part.name))}
          changes={changes}
          copy={() => copied(part)}
          past={drafting.past}
        />
      ) : (
        <FileField
          ref={field}
          written="yaml"
          label={`File of ${name}`}
          value={draft.text}
          change={(text) => change({ text })}
          findings={found.filter((one) => one.path === path)}
          past={drafting.past}
        />
      )}
      {findings.isError ? (
        <Failure error={findings.error} retry={() => void findings.refetch()} />
      ) : (
        <Findings
          path={path}
          findings={found}
          settled={!findings.isPlaceholderData && findings.isSuccess}
          goTo={(one) => (one.path === path || parts.parts.some((each) => partialPath(each.name) === one.path) ? () => leadTo(one) : undefined)}
        />
      )}
    </section>
  );
}

/** A place in a file; `part`: of this partial, else of the prompt. */
interface Target {
  part: string;
  line: number;
  column: number;
}

/** The file that the address names, and how to get to a place in another. */
function useShown(path: string) {
  const { part: shown = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const field = useRef<FileHandle>(null);
  const [target, setTarget] = useState<Target | null>(null);
  const show = (part: string) => void navigate({ search: (before) => ({ ...before, part: part || undefined }), replace: true });
  const led = useRef<Target>(null);
  useEffect(() => {
    // Once: later the cursor is where the writer has put it.
    if (!target || target.part !== shown || led.current === target) return;
    led.current = target;
    field.current?.goTo(target.line, target.column);
  }, [target, shown]);
  const leadTo = ({ path: of, line, column }: Finding) => {
    const part = of === path ? "" : partialOf(of);
    // A new object each time: who asks for the same place again is led there again.
    setTarget({ part, line: line || 1, column: column || 1 });
    show(part);
  };
  return { shown, show, field, leadTo };
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
        {(["patch", "minor", "major"] as const satisfies readonly NumberPart[]).map((part) => (
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
