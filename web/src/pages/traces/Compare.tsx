import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";
import { type SyntheticEvent, useState } from "react";

import type { Conversation } from "../../api/schema";
import { Button } from "../../parts/Button";
import { duration, money, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Failure, Loading } from "../../parts/States";
import { WordDiff } from "../../parts/WordDiff";
import { Bounded } from "./Bounded";
import { answered, asText, asked } from "./messages";
import { type FullSpan, type Trace, traceQuery, useConversation } from "./queries";
import { mainCall } from "./tree";
import styles from "./Trace.module.css";
import { Waterfall } from "./Waterfall";

const route = getRouteApi("/inside/traces/compare");

/** Two traces side by side: what differs first, then what was said word by word, then the steps of both. */
export function Compare() {
  const { a = "", b = "" } = route.useSearch();
  const [left, right] = [useQuery(traceQuery(a)), useQuery(traceQuery(b))];
  const error = left.error ?? right.error;
  const missing = [left.data?.count === 0 ? a : "", right.data?.count === 0 ? b : ""].filter(Boolean);
  return (
    <div className="page">
      <Heading title="Compare two traces" about="What differs stands first" />
      <Ids key={`${a} ${b}`} a={a} b={b} />
      {error && <Failure error={error} />}
      {missing.map((id) => (
        <Failure key={id} error={new Error(`Nothing is recorded as ${id}.`)} />
      ))}
      {a && b && (left.isPending || right.isPending) && <Loading />}
      {left.data && right.data && missing.length === 0 && <Both a={a} b={b} left={left.data} right={right.data} />}
    </div>
  );
}

function Ids({ a, b }: { a: string; b: string }) {
  const navigate = useNavigate({ from: "/traces/compare" });
  const [first, setFirst] = useState(a);
  const [second, setSecond] = useState(b);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void navigate({ search: { a: first.trim(), b: second.trim() } });
  };
  return (
    <form className="row" onSubmit={submit}>
      <input aria-label="Request or trace A" value={first} onChange={(event) => setFirst(event.target.value)} placeholder="Request or trace A" required size={36} />
      <input aria-label="Request or trace B" value={second} onChange={(event) => setSecond(event.target.value)} placeholder="Request or trace B" required size={36} />
      <Button type="submit">Compare</Button>
      <Button kind="plain" onClick={() => void navigate({ search: { a: b, b: a } })}>
        Swap
      </Button>
    </form>
  );
}

function Both({ a, b, left, right }: { a: string; b: string; left: Trace; right: Trace }) {
  const [one, two] = [mainCall(left.spans, a) ?? left.spans[0], mainCall(right.spans, b) ?? right.spans[0]];
  const [first, second] = [useConversation(a, one?.span_id), useConversation(b, two?.span_id)];
  if (!one || !two) return null;
  return (
    <>
      <Differences one={one} two={two} a={a} b={b} />
      {first && second && (
        <>
          <section className="panel stack">
            <h2>Answer</h2>
            <Words before={asText(answered(first))} after={asText(answered(second))} />
          </section>
          <section className="panel stack">
            <h2>What was asked</h2>
            <Words before={said(first)} after={said(second)} />
          </section>
        </>
      )}
      <div className={styles.sides}>
        <Steps name="A" id={a} trace={left} />
        <Steps name="B" id={b} trace={right} />
      </div>
    </>
  );
}

const said = (found: Conversation): string =>
  asked(found)
    .map((message) => `[${message.role}] ${asText([message])}`)
    .join("\n\n");

function Words({ before, after }: { before: string; after: string }) {
  if (before === after) return <p className="muted">{before ? "The same to the letter." : "Nothing is kept of either."}</p>;
  return <WordDiff before={before} after={after} />;
}

function Steps({ name, id, trace }: { name: string; id: string; trace: Trace }) {
  const navigate = useNavigate();
  return (
    <section className="panel stack" aria-label={`Steps of ${name}`}>
      <h2>
        {name}:{" "}
        <Link to="/traces/$id" params={{ id }}>
          {id}
        </Link>
      </h2>
      <Bounded trace={trace} />
      <Waterfall spans={trace.spans} selected="" select={(span) => void navigate({ to: "/traces/$id", params: { id }, search: { span } })} />
    </section>
  );
}

const FACTS: readonly (readonly [string, (span: FullSpan) => string])[] = [
  ["Result", (span) => span.error || span.finish_reason || "ok"],
  ["Error", (span) => span.error_message],
  ["Prompt", (span) => span.prompt],
  ["Version", (span) => span.version],
  ["Release", (span) => span.release],
  ["Arm", (span) => span.arm],
  ["Model", (span) => span.model],
  ["Answered by", (span) => span.model_answered],
  ["Provider", (span) => span.provider],
  ["Took", (span) => duration(span.duration_ns)],
  ["First token", (span) => (span.stream && span.first_token_ns ? duration(span.first_token_ns) : "")],
  ["Input tokens", (span) => String(span.input_tokens)],
  ["Output tokens", (span) => String(span.output_tokens)],
  ["Cost", (span) => money(span.cost)],
  ["Attempts", (span) => String(span.attempts)],
  ["Cache", (span) => span.cache],
  ["Guard", (span) => span.guard],
  ["Policy", (span) => span.policy],
  ["Tools", (span) => span.tools],
  ["Environment", (span) => span.environment],
  ["Tenant", (span) => span.tenant],
  ["Feature", (span) => span.feature],
  ["User", (span) => span.user],
  ["Began", (span) => time(span.started_ns)],
];

/** Facts of both, those that differ first; what neither has is left out. */
function Differences({ one, two, a, b }: { one: FullSpan; two: FullSpan; a: string; b: string }) {
  const rows = FACTS.map(([name, of]) => ({ name, left: of(one), right: of(two) })).filter((row) => row.left || row.right);
  const sorted = [...rows.filter((row) => row.left !== row.right), ...rows.filter((row) => row.left === row.right)];
  return (
    <section className="panel stack">
      <h2>Facts</h2>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label="Facts of both">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Fact</th>
              <th scope="col" title={a}>
                A
              </th>
              <th scope="col" title={b}>
                B
              </th>
              <th scope="col">
                <span className="hidden-visually">Differs</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map(({ name, left, right }) => (
              <tr key={name} className={left === right ? styles.alike : styles.differs}>
                <th scope="row">{name}</th>
                <td>{left || "–"}</td>
                <td>{right || "–"}</td>
                <td className="muted small">{left === right ? "" : "≠"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
