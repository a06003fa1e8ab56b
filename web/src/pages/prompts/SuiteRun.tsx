import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { type SubmitEvent, useEffect } from "react";

import { ApiError, answer, api } from "../../api/client";
import type { DraftEval, DraftScore, SuiteInfo } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count, duration, money } from "../../parts/format";
import { Empty, Failure, Shown } from "../../parts/States";
import { type Draft, sent } from "./drafts";
import { ownRunsQuery, runQuery, shownRuns } from "./ownRuns";
import styles from "./Playground.module.css";

const route = getRouteApi("/inside/prompts/$");

/** The draft against a suite: started here, carried on by the server, found again on any page of its person. */
export function SuiteRun({ name, draft }: { name: string; draft: Draft }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const own = useQuery(ownRunsQuery);
  const suites = useQuery({ queryKey: ["runs", "suites"], queryFn: ({ signal }) => answer(api.GET("/api/v1/suites", { signal })) });
  const show = (run: string) => void navigate({ search: (before) => ({ ...before, run }), replace: true });
  const starting = own.data?.starting;
  return (
    <section className="stack" aria-labelledby="suite">
      <h2 id="suite">Against the suite</h2>
      <Shown query={suites}>
        {(all) => {
          const fit = all.filter((suite) => suite.prompt === name && suite.problems.length === 0);
          if (fit.length > 0) return <Start name={name} draft={draft} suites={fit} show={show} starting={starting != null} />;
          return (
            <Empty title="No suite tests this prompt" command={`moat eval init ${name}`}>
              <p>A suite has cases, scorers and gates: whether the next version is better is then measured, not felt.</p>
            </Empty>
          );
        }}
      </Shown>
      {own.isError && <Failure error={own.error} retry={() => void own.refetch()} />}
      {starting && (
        <p className="panel muted" role="status">
          Your run of {starting.prompt}@{starting.version} against {starting.suite} is starting. Money is set aside for it.
        </p>
      )}
      {shownRuns(name, search.run, own.data?.runs ?? []).map((id) => (
        <Progress key={id} id={id} />
      ))}
    </section>
  );
}

interface StartProps {
  name: string;
  draft: Draft;
  suites: readonly SuiteInfo[];
  show: (run: string) => void;
  /** Is a run of the person's about to begin, started here or in another window? */
  starting: boolean;
}

function Start({ name, draft, suites, show, starting }: StartProps) {
  const queries = useQueryClient();
  const start = useMutation({
    mutationFn: (form: FormData) => {
      const [suite = "", limit = "", budget = ""] = ["suite", "limit", "budget"].map((field) => {
        const given = form.get(field);
        return typeof given === "string" ? given.trim() : "";
      });
      const body = { ...sent(name, draft), suite, limit: Number(limit) || 0, model: "", budget, environment: "production" };
      return answer(api.POST("/api/v1/drafts/evals", { body }));
    },
    // A run that is gone on with has its id already, and may be shown as it ended before.
    onSuccess: (run) => queries.setQueryData(runQuery(run.id).queryKey, run),
    onSettled: () => queries.invalidateQueries({ queryKey: ownRunsQuery.queryKey }),
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    // As long as this page is there: who has gone on to another is left where they are.
    start.mutate(new FormData(event.currentTarget), {
      onSuccess: (run) => show(run.id),
      // The run that is in the way is named: one's own, or a colleague's of the same draft.
      onError: (error) => {
        if (error instanceof ApiError && error.status === 409 && error.param?.startsWith("run_")) show(error.param);
      },
    });
  };
  const pending = start.isPending || starting;
  return (
    <form className="panel stack" onSubmit={submit}>
      <div className="row">
        <label>
          Suite
          <select name="suite">
            {suites.map((suite) => (
              <option key={suite.name} value={suite.name}>
                {suite.name} ({suite.cases == null ? "unknown" : count(suite.cases)} cases)
              </option>
            ))}
          </select>
        </label>
        <label>
          Cases
          <input name="limit" type="number" min={1} placeholder="all" />
        </label>
        <label>
          At most, US dollars
          <input name="budget" inputMode="decimal" pattern="[0-9]+(\.[0-9]+)?" placeholder="what is left today" />
        </label>
        <Button kind="main" type="submit" disabled={pending}>
          {pending ? "Starting …" : `Run ${draft.version} against it`}
        </Button>
      </div>
      <p className="muted small">It runs on the server within your budget; you may leave this page. All cases are compared with what production serves; a part of them has no verdict.</p>
      {start.isError && <Failure error={start.error} />}
    </form>
  );
}

const VERDICTS: Record<DraftEval["verdict"], Tone> = { "": "neutral", pass: "good", regressed: "bad", inconclusive: "warn" };

function Progress({ id }: { id: string }) {
  const queries = useQueryClient();
  const run = useQuery(runQuery(id));
  const cancel = useMutation({
    mutationFn: () => answer(api.DELETE("/api/v1/drafts/evals/{id}", { params: { path: { id } } })),
    onSuccess: (after) => queries.setQueryData(runQuery(id).queryKey, after),
  });
  const status = run.data?.status;
  // Money is set aside at the start, and what is left of it comes back at the end.
  useEffect(() => {
    if (!status) return;
    void queries.invalidateQueries({ queryKey: ["usage", "playground"] });
    void queries.invalidateQueries({ queryKey: ownRunsQuery.queryKey });
  }, [status, queries]);
  if (run.error instanceof ApiError && run.error.status === 404) {
    return (
      <p className="panel muted">
        The server has been started anew since that run; what it answered is stored: <Link to="/evals/runs/$id" params={{ id: id }}>{id}</Link>
      </p>
    );
  }
  return <Shown query={run}>{(found) => <State run={found} cancel={() => cancel.mutate()} error={cancel.error} />}</Shown>;
}

function State({ run, cancel, error }: { run: DraftEval; cancel: () => void; error: Error | null }) {
  const going = run.status === "running";
  return (
    <div className="panel stack">
      <div className="row spread">
        <h3 className="row">
          {run.prompt}@{run.version}, {run.suite}
          <span role="status">
            {going ? <Badge tone="accent">running</Badge> : <Badge tone={VERDICTS[run.verdict]}>{run.verdict || run.status}</Badge>}
          </span>
        </h3>
        {going ? (
          <Button kind="danger" onClick={cancel}>
            Cancel
          </Button>
        ) : (
          <Link to="/evals/runs/$id" params={{ id: run.id }}>All cases</Link>
        )}
      </div>
      {error && <Failure error={error} />}
      <progress className={styles.progress} max={run.total || 1} value={run.done} aria-label="Cases answered" />
      {run.found && (
        <p>
          Nothing was asked, and nothing spent: the content of this draft is that of {run.prompt}@{run.found} to the letter, and{" "}
          <Link to="/evals/runs/$id" params={{ id: run.id }}>its run</Link> has all answers.
        </p>
      )}
      <p className="muted small">
        {count(run.done)} of {count(run.total)} answered
        {run.errors > 0 && <span className="bad"> ✕ {count(run.errors)} errors</span>} · {money(run.spent)} of {money(run.budget)} spent
        {run.earlier > 0 && !run.found && ` · ${money(run.earlier)} by earlier starts, whose answers are kept`}
        {run.finished_ns > 0 && ` · ${duration(run.finished_ns - run.started_ns)}`} · started by {run.person}
        {run.baseline && (
          <>
            {" "}
            · compared with <Link to="/evals/runs/$id" params={{ id: run.baseline }}>what is served</Link>
          </>
        )}
      </p>
      {run.problem && <p className="warn">! {run.problem}</p>}
      {run.summary && <p>{run.summary}</p>}
      {run.scores.length > 0 && <Scores scores={run.scores} />}
      {run.verdict === "pass" && (
        <Link to="/prompts/$" params={{ _splat: run.prompt }} search={{ tab: "propose" }}>
          Propose it
        </Link>
      )}
    </div>
  );
}

function Scores({ scores }: { scores: readonly DraftScore[] }) {
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label="Scores">
      <table className={styles.scores}>
        <thead>
          <tr>
            <th scope="col">Score</th>
            <th scope="col" className={styles.digits}>
              Mean
            </th>
            <th scope="col" className={styles.digits}>
              95 % interval
            </th>
            <th scope="col">0 to 1</th>
            <th scope="col" className={styles.digits}>
              Cases
            </th>
            <th scope="col" className={styles.digits}>
              Missing
            </th>
          </tr>
        </thead>
        <tbody>
          {scores.map((score) => (
            <tr key={score.name}>
              <th scope="row">{score.name}</th>
              <td className={styles.digits}>{digits(score.mean)}</td>
              <td className={styles.digits}>
                {digits(score.low)} to {digits(score.high)}
              </td>
              <td>
                <Interval score={score} />
              </td>
              <td className={styles.digits}>{count(score.n)}</td>
              <td className={styles.digits}>{count(score.missing)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const digits = (value: number | null): string => (value == null ? "–" : value.toFixed(3));

function Interval({ score: { mean, low, high } }: { score: DraftScore }) {
  if (mean == null) return null;
  const at = (value: number) => 4 + value * 112;
  return (
    <svg className={styles.bar} width={120} height={14} aria-hidden="true">
      <rect className={styles.track} x={4} y={5} width={112} height={4} rx={2} />
      {low != null && high != null && <line className={styles.interval} x1={at(low)} x2={at(high)} y1={7} y2={7} />}
      <circle className={styles.mean} cx={at(mean)} cy={7} r={4} />
    </svg>
  );
}
