import { Badge } from "../../parts/Badge";
import { LineDiff } from "../../parts/LineDiff";
import type { Drafting } from "./drafts";
import { partialPath } from "./partials";
import { Passed } from "./Passed";
import { type Part, type PartChanges, type Parts, usePartChanges, used } from "./useParts";

interface Props {
  /** The prompt that is proposed. */
  prompt: string;
  drafting: Drafting;
  parts: Parts;
}

/** The partials that go into the proposal: how each differs, and whom else it touches. */
export function ChangedParts({ prompt, drafting, parts }: Props) {
  const from = drafting.draft.branch ?? "the project";
  const changes = usePartChanges(drafting, parts);
  return parts.parts.filter((part) => part.own).map((part) => <Changed key={part.name} part={part} prompt={prompt} from={from} changes={changes} />);
}

function Changed({ part, prompt, from, changes }: { part: Part; prompt: string; from: string; changes: PartChanges }) {
  const { name, text, original } = part;
  const path = partialPath(name);
  const others = part.uses.filter((use) => use.name !== prompt);
  return (
    <section className="stack" aria-label={path}>
      <h2>
        {path} <Badge tone={original === null ? "good" : "accent"}>{original === null ? "new file" : "changed"}</Badge>
      </h2>
      {others.length > 0 && (
        <p className="warn small">! Also used by {used(others)}: their texts change too, once they are released anew.</p>
      )}
      {part.passed && <Passed part={part} changes={changes} />}
      {part.edited && (
        <p className="warn small">! In the project, this file has changes that are in no commit. They are proposed too, unless you took them out.</p>
      )}
      {text === original ? (
        <p className="panel muted">The same text as in {from}.</p>
      ) : (
        <LineDiff before={original ?? ""} after={text ?? ""} label={`What changes in ${name}`} />
      )}
    </section>
  );
}
