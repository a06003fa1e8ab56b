import { Button } from "../../parts/Button";
import { partialPath } from "./partials";
import type { Part, PartChanges } from "./useParts";

interface Props {
  part: Part;
  changes: Pick<PartChanges, "remove" | "goOn">;
}

/** Somebody else has changed a partial since the draft took it: say so, and let the person choose. */
export function Passed({ part, changes: { remove, goOn } }: Props) {
  const { name, project, commit } = part;
  const take = () => {
    if (confirm(`Your text of ${name} is kept nowhere else. Take theirs in its place?`)) remove(name);
  };
  return (
    <div className="panel stack" role="status">
      <p>
        ! Somebody {project === null ? "took" : "changed"} <code>{partialPath(name)}</code> {project === null && "out of the project "}since this draft took it
        {commit && (
          <>
            {" "}
            (commit <code>{commit.slice(0, 12)}</code>)
          </>
        )}
        . What is proposed would take that back, so choose first. When you go on with yours, put in what you want to keep of theirs.
      </p>
      <div className="row">
        <Button onClick={take}>Take theirs</Button>
        <Button onClick={() => goOn(part)}>Go on with mine</Button>
      </div>
    </div>
  );
}
