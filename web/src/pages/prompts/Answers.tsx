import { Link } from "@tanstack/react-router";

import type { ApiError } from "../../api/client";
import type { DraftFinished } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count, duration, money } from "../../parts/format";
import { Failure } from "../../parts/States";
import { remedy } from "../traces/remedies";
import type { Lane } from "./lanes";
import styles from "./Playground.module.css";
import type { Attempt } from "./stream";

interface Props {
  title: string;
  /** Its texts as they are now, as `written` has them. */
  draft: string;
  lanes: readonly Lane[];
  of: (lane: Lane) => Attempt | undefined;
  stop: (lane: Lane) => void;
}

/** The answers to one set of values, side by side. */
export function Answers({ title, draft, lanes, of, stop }: Props) {
  if (lanes.length === 0) return <p className="panel muted">Choose at least the draft or one version.</p>;
  return (
    <section className="stack" aria-label={title}>
      <h2>{title}</h2>
      <div className={styles.lanes}>
        {lanes.map((lane) => (
          <Answer key={lane.id} lane={lane} attempt={of(lane)} draft={lane.what === "draft" ? draft : undefined} stop={() => stop(lane)} />
        ))}
      </div>
    </section>
  );
}

const STATES: Record<Attempt["state"], [Tone, string]> = {
  waiting: ["neutral", "waiting"],
  running: ["accent", "answering"],
  finished: ["good", "finished"],
  failed: ["bad", "failed"],
  stopped: ["warn", "stopped"],
};

function Answer({ lane, attempt, draft, stop }: { lane: Lane; attempt: Attempt | undefined; draft: string | undefined; stop: () => void }) {
  const older = draft !== undefined && Boolean(attempt?.asked) && attempt?.asked !== draft;
  const title = [lane.what === "draft" ? "Draft" : lane.what, lane.model].filter(Boolean).join(" · ");
  const [tone, word] = attempt ? STATES[attempt.state] : (["neutral", ""] as const);
  const going = attempt?.state === "waiting" || attempt?.state === "running";
  return (
    <article className={styles.lane} aria-label={title}>
      <header className={styles.head}>
        <h3>{title}</h3>
        <span className="row">
          <span role="status">{word && <Badge tone={tone}>{word}</Badge>}</span>
          {going && (
            <Button kind="plain" onClick={stop} aria-label={`Stop ${title}`}>
              Stop
            </Button>
          )}
        </span>
      </header>
      <div className={styles.answer} tabIndex={0} role="region" aria-label={`Answer of ${title}`}>
        {older && <p className="warn small">! Asked before the draft was changed.</p>}
        {attempt ? <Said attempt={attempt} /> : <p className="muted">Not asked yet.</p>}
      </div>
      {attempt?.finished && <Numbers finished={attempt.finished} />}
    </article>
  );
}

function Said({ attempt }: { attempt: Attempt }) {
  return (
    <>
      {attempt.thoughts && (
        <details>
          <summary>Thinking</summary>
          <pre className="muted">{attempt.thoughts}</pre>
        </details>
      )}
      {attempt.text && <pre>{attempt.text}</pre>}
      {attempt.tools.map((tool, index) => (
        <div key={index}>
          <Badge>tool call, not run</Badge> <code>{tool.name}</code>
          <pre>{tool.arguments}</pre>
        </div>
      ))}
      {attempt.error && <Failed error={attempt.error} />}
      {attempt.finished?.notices.map((notice) => (
        <p key={notice} className="muted small">
          {notice}
        </p>
      ))}
    </>
  );
}

/** Why, what to do about it, and where to look: as the call's own page has it. */
function Failed({ error }: { error: ApiError }) {
  const todo = remedy(error.code);
  return (
    <>
      <Failure error={error} />
      {todo && <p className="small">{todo}</p>}
      {error.trace && (
        <p className="small">
          <Link to="/traces/$id" params={{ id: error.trace }}>
            Trace
          </Link>
        </p>
      )}
    </>
  );
}

function Numbers({ finished }: { finished: DraftFinished }) {
  const { usage } = finished;
  return (
    <div className={`${styles.numbers} small`}>
      <span>
        {usage.estimated && "about "}
        {count(usage.input)} in, {count(usage.output)} out
      </span>
      <span>{money(finished.cost)}</span>
      <span>{duration(finished.latency_ms * 1e6)}</span>
      {finished.first_token_ms != null && <span className="muted">first after {duration(finished.first_token_ms * 1e6)}</span>}
      <span className="muted">{finished.model}</span>
      {finished.finish_reason !== "stop" && <span className="warn">! ended by {finished.finish_reason}</span>}
      <Link to="/traces/$id" params={{ id: finished.trace_id }}>
        Trace
      </Link>
    </div>
  );
}
