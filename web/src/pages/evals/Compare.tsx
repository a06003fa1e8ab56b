import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import type { RunComparison } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Empty, Failure, Loading } from "../../parts/States";
import { BaselineChoice } from "./BaselineChoice";
import { ComparedCases } from "./ComparedCases";
import { ComparedScores } from "./ComparedScores";
import { Gates } from "./Gates";
import { comparisonQuery } from "./queries";
import { RunLink, RunState } from "./RunName";
import { subject, tone } from "./runs";

const route = getRouteApi("/inside/evals/compare");

/** Two runs of one suite: what changed in each score, and case by case, what got worse first. */
export function Compare() {
  const { run } = route.useSearch();
  return (
    <div className="page">
      {run ? (
        <Loaded run={run} />
      ) : (
        <>
          <Heading title="Compare two runs" />
          <Empty title="No run is chosen" command="moat eval compare BASELINE CANDIDATE">
            Choose two among <Link to="/evals/runs">all runs</Link>.
          </Empty>
        </>
      )}
    </div>
  );
}

function Loaded({ run }: { run: string }) {
  const search = route.useSearch();
  const query = useInfiniteQuery(comparisonQuery(run, search));
  const pages = query.data?.pages ?? [];
  const first = pages[0];
  if (!first) {
    return (
      <>
        <Heading
          title="Compare two runs"
          about={
            <Link to="/evals/runs/$id" params={{ id: run }}>
              The run
            </Link>
          }
        />
        {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading what="Comparing" />}
      </>
    );
  }
  return (
    <>
      <Head found={first} baseline={search.baseline ?? ""} />
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {first.missing && <p className="warn">! {first.missing}</p>}
      {first.identical && <p>Both are of the same content, model, suite and data: there is nothing to compare.</p>}
      <Verdict found={first} />
      <section className="stack">
        <h2>Scores</h2>
        <ComparedScores scores={first.scores} gates={first.gates} />
      </section>
      <ComparedCases
        comparison={first}
        cases={pages.flatMap((page) => page.cases)}
        search={search}
        more={query.hasNextPage && !query.isError ? () => void query.fetchNextPage() : undefined}
        waiting={query.isFetchingNextPage || query.isPlaceholderData}
      />
    </>
  );
}

function Head({ found: { candidate, baseline }, baseline: asked }: { found: RunComparison; baseline: string }) {
  const title = baseline ? `${subject(candidate)} against ${subject(baseline)}` : subject(candidate);
  const about = (
    <span className="row">
      <span>{candidate.suite}:</span> <RunLink run={candidate} /> <RunState run={candidate} /> <span>{time(candidate.created_ns)}</span>
      {baseline && (
        <>
          <span>against</span> <RunLink run={baseline} /> <RunState run={baseline} /> <span>{time(baseline.created_ns)}</span>
        </>
      )}
    </span>
  );
  return (
    <Heading title={title} about={about}>
      <BaselineChoice candidate={candidate} baseline={baseline} asked={asked} />
    </Heading>
  );
}

function Verdict({ found }: { found: RunComparison }) {
  if (found.gates.length === 0) return null;
  return (
    <section className="stack">
      <h2 className="row">Verdict {found.verdict && <Badge tone={tone(found.verdict)}>{found.verdict}</Badge>}</h2>
      <p>{found.summary}</p>
      <Gates gates={found.gates} />
    </section>
  );
}
