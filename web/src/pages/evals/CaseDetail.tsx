import { Link } from "@tanstack/react-router";

import type { RunAnswer, RunResult } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { count, duration, money } from "../../parts/format";
import { Conversation } from "./Conversation";
import { Opinions } from "./Opinions";
import { Value } from "./Value";
import styles from "./Value.module.css";

/** One case: what was asked and expected, what was answered, and what each scorer said of it. */
export function CaseDetail({ result, repeats }: { result: RunResult; repeats: number }) {
  const { asked, answer } = result;
  return (
    <article className="stack" aria-labelledby="open-case">
      <h3 id="open-case" style={{ overflowWrap: "anywhere" }}>
        {result.case}
        {repeats > 1 && `, answer ${answer.repeat + 1}`}
      </h3>
      <div className="row">
        {asked?.golden && <Badge tone="accent">golden</Badge>}
        {asked?.tags.map((tag) => (
          <Badge key={tag}>{tag}</Badge>
        ))}
        <Took answer={answer} />
      </div>
      {asked && (
        <>
          <Value title="Asked" value={asked.input} />
          <Value title="Expected" value={asked.expected} />
          <Value title="Labels" value={asked.labels} />
        </>
      )}
      <Answer answer={answer} />
      <p className={styles.title}>Scores</p>
      <Opinions scores={answer.scores} />
    </article>
  );
}

function Took({ answer }: { answer: RunAnswer }) {
  return (
    <span className="muted small">
      {duration(answer.latency_ns)} · {count(answer.input_tokens)} tokens in, {count(answer.output_tokens)} out · {money(answer.cost)}
      {answer.cached && " · from the cache: as it was when it was made"}
      {answer.trace_id && (
        <>
          {" · "}
          <Link to="/traces/$id" params={{ id: answer.trace_id }}>
            Trace
          </Link>
        </>
      )}
    </span>
  );
}

/** What came back: text, tool calls, the conversation, the documents; or why nothing did. */
export function Answer({ answer, title = "Answered" }: { answer: RunAnswer; title?: string }) {
  return (
    <>
      {answer.error ? <p className="bad">✕ No answer: {answer.error}</p> : <Value title={title} value={answer.output || null} none="An empty text" />}
      <Value title="Tool calls" value={answer.tool_calls} />
      <Conversation messages={answer.messages} />
      <Value title="Documents" value={answer.context} />
      {answer.cut && <p className="muted small">Some of it is very long and was cut.</p>}
    </>
  );
}
