import { useMutation } from "@tanstack/react-query";
import { type RefObject, useId } from "react";

import type { PartialUse } from "../../api/schema";
import { Button } from "../../parts/Button";
import { LineDiff } from "../../parts/LineDiff";
import { Failure } from "../../parts/States";
import { Template } from "./Content";
import type { Finding } from "./drafts";
import styles from "./Editor.module.css";
import { FileField, type FileHandle } from "./FileField";
import { partialPath } from "./partials";
import { Passed } from "./Passed";
import type { Past } from "./past";
import { type Part, type PartChanges, publishedUses, used } from "./useParts";

interface Props {
  part: Part;
  /** The prompt that is edited. */
  prompt: string;
  /** Names of its variables. */
  variables: readonly string[];
  findings: readonly Finding[];
  changes: PartChanges;
  /** Puts a copy in its place, and shows that. */
  copy: () => Promise<void>;
  past: Past;
  ref: RefObject<FileHandle | null>;
}

/** A partial: to be edited, begun, or, where published versions consist of it, changed in a copy. */
export function PartialFile({ part, prompt, variables, findings, changes, copy, past, ref }: Props) {
  const { name, text, original, own } = part;
  const write = (next: string) => changes.write(part, next);
  if (text === null) {
    return (
      <div className="panel stack">
        <p>There is no partial {name} in the project. A text under this name is proposed with the prompt.</p>
        <div className="row">
          <Button kind="main" onClick={() => write("")}>
            Begin {name}
          </Button>
        </div>
      </div>
    );
  }
  const published = publishedUses(part);
  const others = part.uses.filter((use) => use.name !== prompt);
  return (
    <>
      <p className="muted small">
        <code>{partialPath(name)}</code> {others.length > 0 && <span>Also used by {used(others)}.</span>}
      </p>
      {part.passed && (
        <>
          <Passed part={part} changes={changes} />
          <LineDiff before={part.project ?? ""} after={text} label={`From theirs to yours in ${name}`} />
        </>
      )}
      {published.length > 0 && <Published uses={published} name={name} copy={copy} />}
      {published.length > 0 && !own ? (
        <div className={styles.whole} tabIndex={0} role="region" aria-label={`Partial ${name}`}>
          <Template text={text} names={variables} />
        </div>
      ) : (
        <FileField ref={ref} written="template" label={`Partial ${name}`} value={text} change={write} findings={findings} past={past} />
      )}
      {own && original !== null && text !== original && (
        <div className="row">
          <Button onClick={() => ref.current?.write(original)}>As it was</Button>
        </div>
      )}
    </>
  );
}

function Published({ uses, name, copy }: { uses: readonly PartialUse[]; name: string; copy: () => Promise<void> }) {
  const change = useMutation({ mutationFn: copy });
  const id = useId();
  return (
    <div className="panel stack">
      <p id={id} className="small">
        Published versions consist of it and do not change: {used(uses)}. A change goes into a copy with a name of its own, which only this
        draft includes.
      </p>
      <div className="row">
        <Button kind="main" disabled={change.isPending} onClick={() => change.mutate()} aria-describedby={id}>
          Change a copy of {name}
        </Button>
      </div>
      {change.isError && <Failure error={change.error} />}
    </div>
  );
}
