import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";

import type { Assignment, Release } from "../../api/schema";
import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { diffQuery } from "../prompts/queries";
import { rollBack } from "./acts";
import { inWords } from "./Arms";
import { Decide } from "./Decide";
import { inOneLine } from "./diff";
import { goesBackTo, newRelease, versionOf } from "./queries";

interface RollbackProps {
  assignment: Assignment;
  releases: readonly Release[];
  /** Is the window open from the start? */
  begun?: boolean;
  /** The window was closed. */
  ended?: () => void;
}

/** The way back: one click shows where it leads, the second goes there. */
export function Rollback({ assignment, releases, begun = false, ended }: RollbackProps) {
  const may = useMay("engineer");
  const target = goesBackTo(assignment);
  const why = useId();
  // What was served when it was opened: the change arrives here while the window is open.
  const [opened, setOpened] = useState<Assignment | null>(begun && target ? assignment : null);
  if (!may) return null;
  const close = () => {
    setOpened(null);
    ended?.();
  };
  return (
    <>
      {!target && (
        <span id={why} className="muted small">
          Nothing was served before
        </span>
      )}
      <Button
        kind="danger"
        disabled={!target}
        aria-describedby={target ? undefined : why}
        aria-label={`Roll back ${assignment.prompt} in ${assignment.environment}`}
        onClick={() => setOpened(assignment)}
      >
        <span aria-hidden="true">↩</span> Roll back
      </Button>
      {opened && <Confirm assignment={opened} releases={releases} close={close} />}
    </>
  );
}

function Confirm({ assignment, releases, close }: Pick<RollbackProps, "assignment" | "releases"> & { close: () => void }) {
  const { environment, prompt } = assignment;
  const target = versionOf(releases, goesBackTo(assignment));
  return (
    <Decide
      title={`Roll back ${prompt} in ${environment}`}
      label={`Roll back to ${target} now`}
      kind="danger"
      act={({ reason }) => rollBack(assignment, reason)}
      done={(done) => `${environment} serves ${inWords(done.assignment, releases)} again.`}
      close={close}
    >
      <p>
        Everybody in <strong>{environment}</strong> gets <strong>{target}</strong> again, in place of {inWords(assignment, releases)}.
        {assignment.progress !== "closed" && " The rollout under way ends."}
      </p>
      <Changes prompt={prompt} from={versionOf(releases, newRelease(assignment))} to={target} />
    </Decide>
  );
}

function Changes({ prompt, from, to }: { prompt: string; from: string; to: string }) {
  const diff = useQuery({ ...diffQuery(prompt, from, to), enabled: from !== to && from !== "" && to !== "" });
  if (from === to) return <p className="muted small">The same version: what its model or policies meant is different.</p>;
  return (
    <p className="muted small" style={{ minHeight: "1.45em" }}>
      {diff.data ? `From ${from} to ${to}: ${inOneLine(diff.data)}` : diff.isError ? `From ${from} to ${to}.` : ""}
    </p>
  );
}
