import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import type { RunDetail } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { Answers } from "./Answers";
import { Gates } from "./Gates";
import { runQuery } from "./queries";
import { RunState } from "./RunName";
import { RunFacts } from "./RunFacts";
import { Scores } from "./Scores";
import { Slices } from "./Slices";
import { isDraft, person, subject, tone } from "./runs";

const route = getRouteApi("/inside/evals/runs/$id");

/** One run: what its gates say and why, its scores, its slices, and each answer. */
export function RunPage() {
  const { id } = route.useParams();
  const run = useQuery(runQuery(id));
  return <div className="page">{run.data ? <Found detail={run.data} /> : <Waiting id={id} query={run} />}</div>;
}

function Waiting({ id, query }: { id: string; query: ReturnType<typeof useQuery<RunDetail>> }) {
  return (
    <>
      <Heading title={`Run ${id}`} about={<Link to="/evals/runs">All runs</Link>} />
      <Shown query={query}>{() => null}</Shown>
    </>
  );
}

function Found({ detail }: { detail: RunDetail }) {
  const { run } = detail;
  return (
    <>
      <Heading title={`${run.suite} on ${subject(run)}`} about={<About detail={detail} />}>
        <Link to="/evals/compare" search={{ run: run.id, baseline: detail.baseline?.id }} className="button">
          Compare with {detail.baseline ? subject(detail.baseline) : "…"}
        </Link>
      </Heading>
      {detail.missing && <p className="warn">! {detail.missing}</p>}
      <Verdict detail={detail} />
      <section className="stack">
        <h2>Scores</h2>
        <Scores scores={detail.scores} repeats={run.repeats} />
      </section>
      <RunFacts detail={detail} />
      <Slices detail={detail} />
      <Answers run={run} scores={detail.scores} />
    </>
  );
}

function About({ detail: { run } }: { detail: RunDetail }) {
  return (
    <span className="row">
      <Link to="/evals/runs" search={{ suite: run.suite }}>
        Runs of {run.suite}
      </Link>
      <RunState run={run} />
      <span>
        {isDraft(run) ? "A draft that is no version yet, tried by" : "By"} {person(run.author) || "nobody known"}, {time(run.created_ns)}
      </span>
    </span>
  );
}

/** The gates of the suite as it is now; and what was found before, where that was something else. */
function Verdict({ detail }: { detail: RunDetail }) {
  const { gates, scores, verdict, judgements } = detail;
  if (gates.length === 0) {
    return (
      !detail.missing && (
        <Empty title="Nothing is demanded" command={`moat eval plan ${detail.run.suite}`}>
          The suite has no gates, so a run decides nothing. Write what must hold under <code>gates</code>; this says what so many cases can see.
        </Empty>
      )
    );
  }
  return (
    <section className="stack">
      <h2 className="row">
        Verdict {verdict && <Badge tone={tone(verdict)}>{verdict}</Badge>}
      </h2>
      <p>
        {detail.summary} <Against detail={detail} />
      </p>
      <Gates gates={gates} scores={scores} />
      {judgements.length > 0 && (
        <details className="small">
          <summary>What gates found so far</summary>
          <ul>
            {judgements.map(({ judgement, current, baseline_run, baseline_version }) => (
              <li key={judgement.created_ns}>
                {time(judgement.created_ns)}: {judgement.verdict}
                {baseline_run && (
                  <>
                    , against{" "}
                    <Link to="/evals/runs/$id" params={{ id: baseline_run }}>
                      {baseline_version || baseline_run}
                    </Link>
                  </>
                )}
                {!current && ", by other gates than those of now"}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

const CHOSEN: Record<RunDetail["chosen"], string> = {
  asked: "as asked for",
  judged: "as the gate did last",
  gate: "which a gate would take now",
  served: "which production serves",
  first: "",
  none: "",
};

function Against({ detail: { baseline, chosen } }: { detail: RunDetail }) {
  if (!baseline) return <span className="muted">There was nothing to compare with.</span>;
  return (
    <span className="muted">
      Compared with{" "}
      <Link to="/evals/runs/$id" params={{ id: baseline.id }}>
        {subject(baseline)}
      </Link>
      {CHOSEN[chosen] && `, ${CHOSEN[chosen]}`}.
    </span>
  );
}
