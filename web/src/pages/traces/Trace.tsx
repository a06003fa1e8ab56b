import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";

import { Badge } from "../../parts/Badge";
import { brief, count, duration, money, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { Actions } from "./Actions";
import { Bounded } from "./Bounded";
import { Copy } from "./Copy";
import { Detail } from "./Detail";
import { Opinions } from "./Opinions";
import { type FullSpan, type Trace as Recorded, traceQuery, useConversation } from "./queries";
import { question } from "./messages";
import { extent, mainCall } from "./tree";
import styles from "./Trace.module.css";
import { Waterfall } from "./Waterfall";

const route = getRouteApi("/inside/traces/$id");

/** One trace or request: what happened in it, step by step, and what can be done with it. */
export function Trace() {
  const { id } = route.useParams();
  const query = useQuery(traceQuery(id));
  return <Shown query={query}>{(trace) => (trace.count > 0 ? <Found id={id} trace={trace} /> : <Unknown id={id} />)}</Shown>;
}

function Unknown({ id }: { id: string }) {
  return (
    <div className="page">
      <Heading title="Trace" />
      <Empty title="No such trace">
        <p>
          Nothing is recorded as <code>{id}</code>. A call appears when it has ended, some moments later; old ones go as <code>telemetry.keep_days</code>{" "}
          says. <Link to="/traces">All traces</Link>
        </p>
      </Empty>
    </div>
  );
}

function Found({ id, trace }: { id: string; trace: Recorded }) {
  const { spans } = trace;
  const { span: chosen } = route.useSearch();
  const navigate = useNavigate({ from: "/traces/$id" });
  const call = mainCall(spans, id);
  const selected = spans.find((span) => span.span_id === chosen) ?? call ?? spans[0];
  if (!selected) return null;
  const select = (span: string) => void navigate({ search: { span }, replace: true, resetScroll: false });
  return (
    <div className="page">
      <Head id={id} spans={spans} call={call} />
      <section className={`panel ${styles.steps}`} aria-labelledby="steps">
        <h2 id="steps">Steps</h2>
        <Bounded trace={trace} />
        <Waterfall spans={spans} selected={selected.span_id} select={select} />
      </section>
      <div className={styles.halves}>
        <Detail span={selected} id={id} key={selected.span_id} />
        <Opinions call={call ?? selected} />
      </div>
    </div>
  );
}

function Head({ id, spans, call }: { id: string; spans: readonly FullSpan[]; call: FullSpan | undefined }) {
  const found = useConversation(id, call?.span_id);
  const asked = found ? question(found) : "";
  return (
    <>
      <Heading title={title(spans, call)} about={asked && <span className={styles.asked}>{asked}</span>}>
        {call && <Actions call={call} />}
      </Heading>
      <Facts spans={spans} call={call} />
      <div className="row small">
        {call?.request_id && <Copy what="Request" text={call.request_id} />}
        <Copy what="Trace" text={spans[0]?.trace_id ?? id} />
        {call?.key && <Copy what="Key" text={call.key} />}
      </div>
    </>
  );
}

function Facts({ spans, call }: { spans: readonly FullSpan[]; call: FullSpan | undefined }) {
  const whole = extent(spans);
  const calls = spans.filter((span) => span.kind === "call");
  const failed = call ? call.error : (spans.find((span) => span.error)?.error ?? "");
  const sums = sumsOf(calls);
  return (
    <div className={`panel row ${styles.facts}`}>
        {failed ? <Badge tone="bad">{failed}</Badge> : <Badge tone="good">{call?.finish_reason || "ended"}</Badge>}
        <Fact name="When" value={time(whole.began_ns)} />
        <Fact name="Took" value={duration(whole.lasted_ns)} />
        {call && call.stream && call.first_token_ns > 0 && <Fact name="First token" value={duration(call.first_token_ns)} />}
        {calls.length > 1 && <Fact name="Calls" value={count(calls.length)} />}
        <Fact name="Tokens" value={`${brief(sums.input)} + ${brief(sums.output)}`} />
        <Fact name="Cost" value={`${money(sums.cost)}${sums.unpriced ? " + unpriced" : ""}`} />
        <Who call={call ?? spans[0]} />
    </div>
  );
}

function title(spans: readonly FullSpan[], call: FullSpan | undefined): string {
  const top = spans.find((span) => !span.parent_id && span.kind === "app");
  if (top) return top.name;
  if (!call) return spans[0]?.name ?? "Trace";
  return call.prompt ? `${call.prompt}@${call.version || "?"}` : call.model || call.name;
}

function sumsOf(calls: readonly FullSpan[]) {
  const sum = (value: (call: FullSpan) => number) => calls.reduce((total, call) => total + value(call), 0);
  const priced = calls.filter((call) => call.cost !== null);
  return {
    input: sum((call) => call.input_tokens),
    output: sum((call) => call.output_tokens),
    cost: priced.length > 0 ? priced.reduce((total, call) => total + (call.cost ?? 0), 0) : null,
    unpriced: priced.length > 0 && priced.length < calls.length,
  };
}

function Who({ call }: { call: FullSpan | undefined }) {
  if (!call) return null;
  const { tenant, user, session, environment, feature, release, prompt, version, arm } = call;
  return (
    <>
      {environment && <Fact name="Environment" value={environment} />}
      {tenant && <Fact name="Tenant" value={tenant} />}
      {feature && <Fact name="Feature" value={feature} />}
      {user && (
        <Fact
          name="User"
          value={
            <Link to="/users/$id" params={{ id: user }} search={{ tenant: tenant || undefined }}>
              {user}
            </Link>
          }
        />
      )}
      {session && (
        <Fact
          name="Session"
          value={
            <Link to="/sessions/$id" params={{ id: session }} search={{ tenant: tenant || undefined }}>
              {session}
            </Link>
          }
        />
      )}
      {prompt && version && (
        <Fact
          name="Version"
          value={
            <Link to="/prompts/$" params={{ _splat: prompt }} search={{ version }}>
              {prompt}@{version}
            </Link>
          }
        />
      )}
      {release && (
        <Fact
          name="Release"
          value={
            <Link to="/releases/$id" params={{ id: release }}>
              <code>{release}</code>
            </Link>
          }
        />
      )}
      {arm && <Fact name="Arm" value={arm} />}
    </>
  );
}

function Fact({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <span className={styles.fact}>
      <span className="muted small">{name}</span>
      <span>{value}</span>
    </span>
  );
}
