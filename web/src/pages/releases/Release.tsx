import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import type { Evidence, Release } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { ago, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { Approve } from "./Approve";
import { Changes } from "./Changes";
import { VerdictBadge } from "./Evidence";
import { Manifest } from "./Manifest";
import { MayGo } from "./MayGo";
import { environmentsQuery, goesBackTo, releaseQuery } from "./queries";
import styles from "./Releases.module.css";
import { WhereServed } from "./WhereServed";

const route = getRouteApi("/inside/releases/$id");

/** One release: what ships, on what evidence, where it was served and when. */
export function ReleasePage() {
  const { id } = route.useParams();
  const release = useQuery(releaseQuery(id));
  const title = release.data ? `${release.data.content.name}@${release.data.content.version}` : "Release";
  return (
    <div className="page">
      <Heading
        title={title}
        about={
          <>
            <Link to="/releases">Releases</Link> · <code>{id}</code>
          </>
        }
      >
        {release.data && <Approve release={release.data} />}
      </Heading>
      <Shown query={release}>{(found) => <Body release={found} />}</Shown>
    </div>
  );
}

function Body({ release }: { release: Release }) {
  return (
    <>
      <Now release={release} />
      <div className="columns">
        <Facts release={release} />
        <Proof evidence={release.evidence} />
      </div>
      <MayGo release={release} />
      <WhereServed release={release} />
      <Changes release={release} />
      <Manifest content={release.content} />
    </>
  );
}

/** Where it is served at this moment, in a line. */
function Now({ release }: { release: Release }) {
  const { data: current } = useQuery(environmentsQuery);
  if (!current) return null;
  const serving = current.filter((one) => one.arms.some((arm) => arm.release === release.id) || one.shadow?.release === release.id);
  const wayBack = current.filter((one) => goesBackTo(one) === release.id);
  return (
    <p className="row">
      {serving.length === 0 && <Badge>served nowhere now</Badge>}
      {serving.map((one) => (
        <Link key={one.environment} to="/releases/served" search={{ prompt: one.prompt, environment: one.environment }}>
          <Badge tone="accent">served in {one.environment}</Badge>
        </Link>
      ))}
      {wayBack.map((one) => (
        <Badge key={one.environment}>a rollback of {one.environment} leads here</Badge>
      ))}
    </p>
  );
}

function Facts({ release }: { release: Release }) {
  const { content, commit, dirty, author, created_ns, deployments, policies, prompt_digest } = release;
  return (
    <section className="panel stack" aria-label="Origin">
      <h2>Origin</h2>
      <dl className={styles.facts}>
        <dt>Prompt</dt>
        <dd>
          <Link to="/prompts/$" params={{ _splat: content.name }} search={{ version: content.version }}>
            {content.name}@{content.version}
          </Link>
        </dd>
        <dt>Made</dt>
        <dd>
          {time(created_ns)} <span className="muted">({ago(created_ns)})</span>
        </dd>
        <dt>Author</dt>
        <dd>{author || "–"}</dd>
        <dt>Commit</dt>
        <dd>
          {commit ? <code>{commit.slice(0, 12)}</code> : "none"} {dirty && <Badge tone="warn">the file differed from it</Badge>}
        </dd>
        <dt>Model</dt>
        <dd>
          {content.model || "–"} <span className="muted">{deployments.join(", ")}</span>
        </dd>
        <dt>Policies</dt>
        <dd>{policies.join(", ") || "none"}</dd>
        <dt>Digest</dt>
        <dd>
          <code>{prompt_digest.slice(0, 24)}…</code>
        </dd>
      </dl>
      <div>
        <Link to="/prompts/$" params={{ _splat: content.name }} search={{ tab: "lineage", version: content.version }}>
          Lineage of the version
        </Link>
      </div>
    </section>
  );
}

function RunLink({ id }: { id: string }) {
  return (
    <Link to="/evals/runs/$id" params={{ id }} title={id}>
      <code>{id}</code>
    </Link>
  );
}

const PROOF: Column<Evidence>[] = [
  { key: "suite", header: "Suite", cell: (one) => <VerdictBadge evidence={one} /> },
  { key: "run", header: "Run", kind: "cut", cell: (one) => <RunLink id={one.run} /> },
  { key: "judged", header: "Judged", cell: (one) => (one.judged_ns ? <time title={time(one.judged_ns)}>{ago(one.judged_ns)}</time> : "–") },
];

function Proof({ evidence }: { evidence: readonly Evidence[] }) {
  return (
    <section className="panel stack" aria-label="Evidence">
      <h2>Evidence</h2>
      {evidence.length === 0 ? (
        <p className="muted">It was never evaluated.</p>
      ) : (
        <Table label="Verdicts of suites" rows={evidence} columns={PROOF} id={(one) => `${one.suite} ${one.run}`} />
      )}
    </section>
  );
}
