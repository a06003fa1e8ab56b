import { Link } from "@tanstack/react-router";

import type { Place, Registration } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, time } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { PROPOSED, isProposed } from "../../parts/unmerged";

interface Props {
  name: string;
  versions: Registration[];
  served: readonly Place[];
}

/** Every version: who made it, when, where it comes from, where it is served. */
export function Versions({ name, versions, served }: Props) {
  const before = new Map(versions.map((one, index) => [one.content.version, versions[index - 1]?.content.version]));
  const columns: Column<Registration>[] = [
    {
      key: "version",
      header: "Version",
      cell: (one) => (
        <span className="row">
          <Link to="/prompts/$" params={{ _splat: name }} search={{ version: one.content.version }}>
            {one.content.version}
          </Link>
          {isProposed(one) && <Badge tone="warn">{PROPOSED}</Badge>}
        </span>
      ),
    },
    { key: "served", header: "Served in", cell: (one) => <Served places={served.filter((place) => place.version === one.content.version)} /> },
    { key: "author", header: "Author", kind: "cut", cell: (one) => one.author || "–" },
    { key: "when", header: "When", cell: (one) => <When ns={one.committed_ns || one.registered_ns} /> },
    { key: "commit", header: "Commit", cell: (one) => (one.commit ? <code>{one.commit.slice(0, 10)}</code> : `by ${one.source}`) },
    { key: "branches", header: "Branches", kind: "cut", cell: (one) => one.branches.join(", ") || "–" },
    { key: "digest", header: "Digest", cell: (one) => <code title={one.digest}>{one.digest.replace("sha256:", "").slice(0, 12)}</code> },
    {
      key: "diff",
      header: "Compare",
      cell: ({ content }) => <Compare name={name} from={before.get(content.version)} to={content.version} />,
    },
  ];
  return <Table label={`Versions of ${name}`} rows={[...versions].reverse()} columns={columns} id={(one) => one.content.version} />;
}

function Served({ places }: { places: readonly Place[] }) {
  if (places.length === 0) return "–";
  return (
    <span className="row">
      {places.map((place) => (
        <Badge key={`${place.environment} ${place.arm}`} tone="accent">
          {place.environment}
          {place.arm && ` ${place.arm}`}
        </Badge>
      ))}
    </span>
  );
}

function When({ ns }: { ns: number }) {
  return <span title={time(ns)}>{ago(ns)}</span>;
}

function Compare({ name, from, to }: { name: string; from: string | undefined; to: string }) {
  if (!from) return "–";
  return (
    <Link to="/prompts/$" params={{ _splat: name }} search={{ tab: "differences", from, to }}>
      with {from}
    </Link>
  );
}
