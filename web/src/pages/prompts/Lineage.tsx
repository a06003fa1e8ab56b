import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import type { Lineage as Found, VersionLineage } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { callsOf } from "../../parts/calls";
import { ago, count, percent, time } from "../../parts/format";
import { Empty, Shown } from "../../parts/States";
import { PROPOSED } from "../../parts/unmerged";
import { BOX, type Node, graph, line } from "./graph";
import styles from "./Lineage.module.css";
import { lineageQuery } from "./queries";

/** From version to runs to releases to traffic: a drawing for the eye, and the same as a list. */
export function Lineage({ name }: { name: string }) {
  const lineage = useQuery(lineageQuery(name));
  return (
    <Shown query={lineage}>
      {(found) => (
        <div className="stack">
          {found.versions.every((one) => one.runs.length + one.releases.length === 0) ? (
            <Empty title="Nothing has been tested or released yet" command={`moat eval run ${name}@${found.versions.at(-1)?.version ?? "1.0.0"}`}>
              <p>Eval runs, releases and where they are served are drawn here.</p>
            </Empty>
          ) : (
            <Drawing name={name} lineage={found} />
          )}
          {[...found.versions].reverse().map((version) => (
            <Past key={version.version} name={name} version={version} />
          ))}
        </div>
      )}
    </Shown>
  );
}

function Drawing({ name, lineage }: { name: string; lineage: Found }) {
  const drawing = useMemo(() => graph(lineage), [lineage]);
  const byId = new Map(drawing.nodes.map((node) => [node.id, node]));
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label={`Drawing of what became of ${name}; the list below has the same`}>
      <svg width={drawing.width + 2} height={drawing.height + 32} viewBox={`-1 -31 ${drawing.width + 2} ${drawing.height + 32}`} aria-hidden="true">
        {["Version", "Eval runs", "Releases", "Served"].map((title, index) => (
          <text key={title} x={index * 240} y={-14} className={styles.column}>
            {title}
          </text>
        ))}
        {drawing.nodes.flatMap((node) =>
          node.next.map((id) => {
            const to = byId.get(id);
            return to && <path key={`${node.id} ${id}`} d={line(node, to)} className={styles.line} />;
          }),
        )}
        {drawing.nodes.map((node) => (
          <Leads key={node.id} name={name} node={node}>
            <g className={`${styles.node} ${styles[node.tone] ?? ""}`} transform={`translate(${node.x} ${node.y})`}>
              <title>{`${node.title} ${node.about}`}</title>
              <rect width={BOX.width} height={BOX.height} rx={6} />
              <text x={10} y={18} className={styles.title}>
                {short(node.title)}
              </text>
              <text x={10} y={35} className={styles.about}>
                {short(node.about)}
              </text>
            </g>
          </Leads>
        ))}
      </svg>
    </div>
  );
}

/** A box that leads where its entry in the list does, for the mouse; the keyboard has the list. */
function Leads({ name, node: { kind, target }, children }: { name: string; node: Node; children: React.ReactNode }) {
  const out = { tabIndex: -1, children };
  if (kind === "run") return <Link to="/evals/runs/$id" params={{ id: target }} {...out} />;
  if (kind === "release") return <Link to="/releases/$id" params={{ id: target }} {...out} />;
  if (kind === "serving") return <Link to="/releases/served" search={{ prompt: name, environment: target }} {...out} />;
  return <Link to="/traces" search={callsSearch(name, target)} {...out} />;
}

/** The calls that are counted: of all time, without those of evals. */
const callsSearch = (prompt: string, version: string) => ({ q: `${callsOf({ prompt, version })} and environment != "eval"`, window: "all" as const });

const short = (text: string): string => (text.length > 24 ? `${text.slice(0, 23)}…` : text);

function Past({ name, version }: { name: string; version: VersionLineage }) {
  return (
    <section className="panel stack" aria-label={`Version ${version.version}`}>
      <div className="row spread">
        <h2>
          <Link to="/prompts/$" params={{ _splat: name }} search={{ version: version.version }}>
            {version.version}
          </Link>
        </h2>
        <span className="row small">
          <Standing version={version} />
          {version.calls != null && (
            <Link to="/traces" search={callsSearch(name, version.version)}>
              {count(version.calls)} calls of all time
            </Link>
          )}
        </span>
      </div>
      {version.problem && <p className="bad">{version.problem}</p>}
      <div className="columns">
        <Changes version={version} />
        <Runs version={version} />
        <Releases version={version} />
        <Servings name={name} version={version} />
      </div>
    </section>
  );
}

function Standing({ version: { proposed, draft, published } }: { version: VersionLineage }) {
  if (draft) return <Badge>a draft, no version</Badge>;
  if (proposed.length > 0) return <Badge tone="warn">{PROPOSED}</Badge>;
  return published ? <Badge>published</Badge> : <Badge tone="warn">not published</Badge>;
}

function Changes({ version }: { version: VersionLineage }) {
  return (
    <Part title="Commits" none="In no commit yet" items={version.changes} id={(one) => one.commit}>
      {(one) => (
        <>
          <code>{one.commit.slice(0, 10)}</code> {one.subject}
          <span className="muted">
            {" "}
            · {one.author}, <span title={time(one.time_ns)}>{ago(one.time_ns)}</span>
          </span>
        </>
      )}
    </Part>
  );
}

const VERDICTS = { pass: "good", regressed: "bad", inconclusive: "warn" } as const;

function Runs({ version }: { version: VersionLineage }) {
  return (
    <Part title="Eval runs" none="Never tested" items={version.runs} id={(one) => one.id}>
      {(one) => (
        <span className="row">
          <Link to="/evals/runs/$id" params={{ id: one.id }}>{one.suite}</Link>
          {one.verdict ? <Badge tone={VERDICTS[one.verdict as keyof typeof VERDICTS]}>{one.verdict}</Badge> : <Badge>{one.status}</Badge>}
          <span className="number">{one.score == null ? "" : one.score.toFixed(3)}</span>
          <span className="muted">
            {count(one.cases)} cases · {ago(one.created_ns)}
          </span>
        </span>
      )}
    </Part>
  );
}

function Releases({ version }: { version: VersionLineage }) {
  return (
    <Part title="Releases" none="Never released" items={version.releases} id={(one) => one.id}>
      {(one) => (
        <>
          <Link to="/releases/$id" params={{ id: one.id }}>
            <code>{one.id}</code>
          </Link>
          <span className="muted">
            {" "}
            · {one.author || "unknown"}, {ago(one.created_ns)} · {one.evidence.length ? `rests on ${one.evidence.length} run(s)` : "no evidence"}
          </span>
        </>
      )}
    </Part>
  );
}

function Servings({ name, version }: { name: string; version: VersionLineage }) {
  return (
    <Part title="Served" none="Never served" items={version.servings} id={(one) => `${one.environment} ${one.since_ns} ${one.arm}`}>
      {(one) => (
        <>
          <Link to="/releases/served" search={{ prompt: name, environment: one.environment }}>
            {one.environment}
          </Link>{" "}
          {one.share < 1 && percent(one.share, 0)} {one.until_ns === 0 && one.share > 0 && <Badge tone="accent">now</Badge>}
          <span className="muted">
            {" "}
            since {time(one.since_ns)} by <bdi>{one.actor}</bdi>
            {one.reason && `: ${one.reason}`}
          </span>
        </>
      )}
    </Part>
  );
}

interface PartProps<Item> {
  title: string;
  none: string;
  items: readonly Item[];
  id: (item: Item) => string;
  children: (item: Item) => React.ReactNode;
}

function Part<Item>({ title, none, items, id, children }: PartProps<Item>) {
  return (
    <div className="small">
      <h3>{title}</h3>
      {items.length === 0 ? (
        <p className="muted">{none}</p>
      ) : (
        <ul className={styles.items}>
          {items.map((item) => (
            <li key={id(item)}>{children(item)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
