import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import type { CallRow, Conversation } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { brief, count, duration, money, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Empty, Failure, Shown } from "../../parts/States";
import { type Said, answered, asked } from "../traces/messages";
import { Messages } from "../traces/Messages";
import { recordedQuery } from "../traces/queries";
import { MOST, type Story, storyQuery } from "./queries";
import styles from "./Session.module.css";

const route = getRouteApi("/inside/sessions/$id");

/** A conversation in order: what was asked and answered at each call, with its cost and time. */
export function Session() {
  const { id } = route.useParams();
  const { tenant } = route.useSearch();
  const story = useQuery(storyQuery(id, tenant));
  return (
    <div className="page">
      <Heading title={`Session ${id}`} about={tenant && `Tenant ${tenant}`} />
      <Shown query={story}>{(found) => (found.calls.length > 0 ? <Told story={found} /> : <Unknown id={id} />)}</Shown>
    </div>
  );
}

function Unknown({ id }: { id: string }) {
  return (
    <Empty title="No such session">
      <p>
        No call named the session <code>{id}</code>, or its calls are older than what is kept. <Link to="/sessions">All sessions</Link>
      </p>
    </Empty>
  );
}

function Told({ story }: { story: Story }) {
  const { calls } = story;
  const failed = calls.filter((call) => call.error).length;
  const users = [...new Set(calls.map((call) => call.user).filter(Boolean))];
  const cost = calls.reduce((sum, call) => sum + (call.cost ?? 0), 0);
  const unpriced = calls.filter((call) => call.cost === null).length;
  const [first, last] = [calls[0], calls.at(-1)];
  return (
    <>
      <div className={`panel row ${styles.facts}`}>
        <span>
          <span className="muted">Calls</span> {count(calls.length)}
        </span>
        {failed > 0 && <Badge tone="bad">{count(failed)} failed</Badge>}
        <span>
          <span className="muted">Cost</span> {money(cost)}
          {unpriced > 0 && ` + ${count(unpriced)} unpriced`}
        </span>
        {first && last && (
          <span className="muted">
            {time(first.started_ns)} – {time(last.started_ns)}
          </span>
        )}
        {users.map((user) => (
          <span key={user}>
            <span className="muted">User</span>{" "}
            <Link to="/users/$id" params={{ id: user }} search={{ tenant: first?.tenant || undefined }}>
              {user}
            </Link>
          </span>
        ))}
      </div>
      {story.cut && <p className="muted">The last {count(MOST)} calls; there are older ones.</p>}
      <ol className={styles.story} aria-label="Calls, oldest first">
        {calls.map((call, index) => (
          <Turn key={call.span_id} call={call} number={index + 1} />
        ))}
      </ol>
    </>
  );
}

/** One call. What was said is fetched when it comes into sight. */
function Turn({ call, number }: { call: CallRow; number: number }) {
  const place = useRef<HTMLLIElement>(null);
  const seen = useSeen(place);
  const id = call.request_id || call.trace_id;
  const trace = useQuery({ ...recordedQuery(id), enabled: seen });
  const found = trace.data?.find((one) => one.span_id === call.span_id);
  return (
    <li ref={place} className={`panel ${styles.turn}`}>
      <h2 className="row small">
        <span>
          {number}.{" "}
          <Link to="/traces/$id" params={{ id }} search={call.kind === "app" ? { span: call.span_id } : {}}>
            {time(call.started_ns)}
          </Link>
        </span>
        <span className="muted">{call.prompt ? `${call.prompt}@${call.version || "?"}` : call.model || call.name}</span>
        <span className="muted number">{duration(call.duration_ns)}</span>
        <span className="muted number">{money(call.cost)}</span>
        <span className="muted number">
          {brief(call.input_tokens)} + {brief(call.output_tokens)} tokens
        </span>
        {call.error && <Badge tone="bad">{call.error}</Badge>}
        {call.guard && <Badge tone={call.guard === "block" ? "bad" : "warn"}>{call.guard}</Badge>}
      </h2>
      {trace.error && <Failure error={trace.error} />}
      {found ? <Exchange found={found} /> : <div className={styles.room} />}
    </li>
  );
}

/** What is new in this call: from the last answer on. What stands before was said in the calls above. */
function Exchange({ found }: { found: Conversation }) {
  const input = asked(found);
  const messages = [...input.slice(newFrom(input)), ...answered(found)];
  const earlier = input.slice(0, newFrom(input)).filter((one) => !INSTRUCTING.has(one.role)).length;
  if (messages.length === 0) return <p className="muted">What was said is not kept.</p>;
  return (
    <>
      {earlier > 0 && (
        <p className="muted small">
          {count(earlier)} earlier {earlier === 1 ? "message was" : "messages were"} sent along.
        </p>
      )}
      <Messages messages={messages} findings={found.findings} />
    </>
  );
}

const INSTRUCTING = new Set(["system", "developer"]);

function newFrom(messages: readonly Said[]): number {
  const last = messages.findLastIndex((one) => one.role === "assistant" && one.parts.every((part) => part.kind !== "tool_call"));
  const from = last + 1;
  // Instructions are the same in every call.
  const instructed = messages.findIndex((one, index) => index >= from && !INSTRUCTING.has(one.role));
  return instructed < 0 ? from : instructed;
}

function useSeen(place: React.RefObject<HTMLElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (!element || seen) return;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: "600px" });
    watch.observe(element);
    return () => watch.disconnect();
  }, [place, seen]);
  return seen;
}
