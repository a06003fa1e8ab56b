import { Link } from "@tanstack/react-router";
import { useId } from "react";

import { Badge } from "../../parts/Badge";
import { Facts } from "../../parts/Facts";
import { count, duration, money, percent, time } from "../../parts/format";
import { Json } from "../../parts/Json";
import { type Verdict, verdicts } from "./findings";
import { answered, asked } from "./messages";
import { Messages } from "./Messages";
import { type FullSpan, useConversation } from "./queries";
import { place, remedy } from "./remedies";
import { stepOf } from "./tree";
import styles from "./Trace.module.css";

/** What is known of one span of the trace or request `id`: what was said, what guards found, what it took, what else was recorded. */
export function Detail({ span, id }: { span: FullSpan; id: string }) {
  const found = verdicts(span);
  const conversation = useConversation(id, span.span_id);
  const messages = conversation ? [...asked(conversation), ...answered(conversation)] : [];
  const params = paramsOf(span);
  const blocked = span.kind === "call" && span.attempts === 0 && found.some((one) => one.action === "block");
  return (
    <section className={`panel ${styles.detail}`} aria-label={`Detail of ${span.name}`}>
      <h2>
        {span.name} <span className="muted">{stepOf(span)}</span>
      </h2>
      {span.error && <Trouble span={span} />}
      {found.length > 0 && <Guards found={found} />}
      {conversation && messages.length > 0 && (
        <Part title="Conversation">
          <Messages messages={messages} findings={conversation.findings} />
          {blocked && <p className="muted">It never reached a model: a guard stopped it.</p>}
        </Part>
      )}
      {span.kind === "call" && conversation && messages.length === 0 && <p className="muted">What was asked and answered is not kept: telemetry.capture_content, or its days are over.</p>}
      {span.kind === "attempt" && !span.error && <p className="muted">What was asked and answered stands at the call above.</p>}
      <Part title="Numbers">
        <Facts facts={numbers(span)} />
      </Part>
      {params && (
        <Part title="Parameters">
          <Json value={params} />
        </Part>
      )}
      <Events span={span} />
      <Attributes span={span} />
    </section>
  );
}

function Part({ title, children }: { title: string; children: React.ReactNode }) {
  const id = useId();
  return (
    <section className="stack" aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      {children}
    </section>
  );
}

function Trouble({ span }: { span: FullSpan }) {
  const where = place(span.error);
  return (
    <div className={styles.trouble}>
      <p>
        <strong>Failed: {span.error}</strong>
      </p>
      {span.error_message && <p className={styles.said}>{span.error_message}</p>}
      {remedy(span.error) && (
        <p>
          {remedy(span.error)} {where && <Link to={where.to}>{where.label}</Link>}
        </p>
      )}
    </div>
  );
}

function Guards({ found }: { found: readonly Verdict[] }) {
  return (
    <Part title="Guards">
      <ul className={`stack ${styles.plain}`}>
        {found.map((one, index) => (
          <li key={index}>
            <strong>{one.guard}</strong>{" "}
            {one.action ? <Badge tone={one.action === "block" ? "bad" : "warn"}>{one.action}</Badge> : <span className="muted">did nothing</span>}{" "}
            {one.not_run && <span className="warn">did not run: {one.not_run}</span>}
            {one.findings.map((finding, place) => (
              <p key={place} className="small">
                {finding.kind} in <code>{finding.path}</code>, characters {count(finding.start)} to {count(finding.end)} of what came, {percent(finding.score, 0)} sure
                {finding.note && `: ${finding.note}`}
              </p>
            ))}
          </li>
        ))}
      </ul>
    </Part>
  );
}

function numbers(span: FullSpan): (readonly [string, React.ReactNode])[] {
  const known = (value: number) => (value ? count(value) : "");
  const both = (asked: number, answered: number) => (asked + answered ? `${count(asked)} + ${count(answered)}` : "");
  const streaming = span.duration_ns - span.first_token_ns;
  const speed = span.stream && span.output_tokens > 1 && span.first_token_ns > 0 && streaming > 0 ? `${count(Math.round((span.output_tokens / streaming) * 1e9))} tokens/s` : "";
  return [
    ["Began", time(span.started_ns)],
    ["Took", duration(span.duration_ns)],
    ["First token", span.stream && span.first_token_ns ? duration(span.first_token_ns) : ""],
    ["Speed", speed],
    ["Input tokens", known(span.input_tokens)],
    ["of these cached", known(span.cached_tokens)],
    ["written to the cache", known(span.cache_write_tokens + span.cache_write_long_tokens)],
    ["Output tokens", known(span.output_tokens)],
    ["of these reasoning", known(span.reasoning_tokens)],
    ["Audio tokens", both(span.audio_input_tokens, span.audio_output_tokens)],
    ["Image tokens", both(span.image_input_tokens, span.image_output_tokens)],
    ["Video tokens", both(span.video_input_tokens, span.video_output_tokens)],
    ["Searches", known(span.searches)],
    ["Usage", span.usage_estimated ? "our estimate: the provider told none" : ""],
    ["Cost", span.cost === null ? (span.kind === "app" ? "" : "not known: no price") : money(span.cost)],
    ["Prices", span.price_version && <code>{span.price_version}</code>],
    ["Cache", span.cache && `${span.cache}${span.saved ? `, saved ${money(span.saved)}` : ""}`],
    ["Model", span.model],
    ["Alias that answered", span.alias === span.model ? "" : span.alias],
    ["Answered by", span.model_answered],
    ["Provider", span.provider],
    ["Left alone", span.left_alone && `${span.left_alone}: failed too often lately`],
    ["Tier", span.tier],
    ["Attempts", span.kind === "call" ? count(span.attempts) : ""],
    ["Finished", span.finish_reason],
    ["Tools", span.tools],
    ["Policy", span.policy && <code>{span.policy}</code>],
    ["Experiment", span.experiment],
    ["Shadow of", span.shadow_of && <code>{span.shadow_of}</code>],
    ["Service", span.service],
    ["Span", <code key="span">{span.span_id}</code>],
  ];
}

/** Parameters and variables: what of the input is no message. */
function paramsOf(span: FullSpan): Record<string, unknown> | null {
  if (typeof span.input !== "object" || span.input === null || !("messages" in span.input)) return null;
  const rest = Object.entries(span.input).filter(([name]) => name !== "messages");
  return rest.length > 0 ? Object.fromEntries(rest) : null;
}

interface Event {
  name?: unknown;
  time_ns?: unknown;
  attributes?: unknown;
}

function Events({ span }: { span: FullSpan }) {
  const told = span.attributes["moat.events"];
  if (!Array.isArray(told) || told.length === 0) return null;
  return (
    <Part title="Events">
      <ol className={`stack ${styles.plain}`}>
        {(told as Event[]).map((event, index) => (
          <li key={index}>
            <strong>{typeof event.name === "string" ? event.name : "event"}</strong>{" "}
            {typeof event.time_ns === "number" && <span className="muted small">after {duration(Math.max(0, event.time_ns - span.started_ns))}</span>}
            {event.attributes != null && <Json value={event.attributes} />}
          </li>
        ))}
      </ol>
    </Part>
  );
}

/** What is shown above already. */
const SHOWN = new Set(["moat.guards", "moat.events"]);

function Attributes({ span }: { span: FullSpan }) {
  const rest = Object.entries(span.attributes).filter(([name]) => !SHOWN.has(name));
  if (rest.length === 0) return null;
  return (
    <Part title="Attributes">
      <Json value={Object.fromEntries(rest)} />
    </Part>
  );
}
