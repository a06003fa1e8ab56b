import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import type { Proposal } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Command } from "../../parts/Command";
import { ago, time } from "../../parts/format";
import { Outside } from "../../parts/Outside";
import { Empty, Shown } from "../../parts/States";
import { versionOf } from "./address";

/** Branches on which people propose a change, those that wait first. */
export function Proposals() {
  const proposals = useQuery({
    queryKey: ["proposals"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/proposals", { signal })),
  });
  return (
    <Shown query={proposals}>
      {(all) => {
        const open = all.filter((one) => !one.merged);
        if (all.length === 0) {
          return (
            <Empty title="Nobody proposes anything">
              <p>
                A proposal begins in a prompt&apos;s tab Edit, and ends as a commit on a branch of its own. Domain experts can make
                one too: what is served changes only when colleagues merge and release it.
              </p>
            </Empty>
          );
        }
        return (
          <div className="stack">
            <h2>Open</h2>
            {open.length === 0 && <p className="panel muted">All are merged.</p>}
            {open.map((one) => (
              <One key={one.branch} proposal={one} />
            ))}
            {all.length > open.length && <h2>Merged</h2>}
            {all
              .filter((one) => one.merged)
              .map((one) => (
                <One key={one.branch} proposal={one} />
              ))}
          </div>
        );
      }}
    </Shown>
  );
}

/** The prompts of a proposal, each to be read, edited further and tried. */
function Open({ proposal: { branch, files } }: { proposal: Proposal }) {
  return files.map((path) => {
    const found = versionOf(path);
    if (!found) return null;
    const { name, version } = found;
    return (
      <Link key={path} to="/prompts/$" params={{ _splat: name }} search={{ tab: "edit", branch, version }}>
        Open {name} {version} as draft
      </Link>
    );
  });
}

function One({ proposal }: { proposal: Proposal }) {
  const may = useMay("expert");
  const [title = "", ...rest] = proposal.message.split("\n");
  const why = rest.join("\n").trim();
  return (
    <article className="panel stack" aria-label={proposal.branch}>
      <div className="row spread">
        <h3>{title}</h3>
        <Badge tone={proposal.merged ? "good" : "accent"}>{proposal.merged ? "merged" : "open"}</Badge>
      </div>
      {why && <pre>{why}</pre>}
      <p className="muted small">
        {proposal.author}, <span title={time(proposal.created_ns)}>{ago(proposal.created_ns)}</span> · {proposal.files.join(", ")}
      </p>
      <div className="row">
        <Command text={`git switch ${proposal.branch}`} />
        {may && !proposal.merged && <Open proposal={proposal} />}
        {proposal.compare_url && <Outside url={proposal.compare_url} label="On the forge" />}
      </div>
    </article>
  );
}
