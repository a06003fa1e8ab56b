import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { GuardTried, Verdict } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { duration } from "../../parts/format";
import { Marked } from "../../parts/Marked";
import { Empty, Failure } from "../../parts/States";

const PLACES = ["input", "documents", "tool_results", "output", "tool_arguments"] as const;

/** What the text that it would become is, where it does not go on in its place. */
const BECOMES: Partial<Record<GuardTried["action"], string>> = { fallback: "The user would get this answer instead" };

/** What the policies would make of a text. It is sent to nobody and kept nowhere. */
export function Try() {
  const may = useMay("expert");
  const [text, setText] = useState("");
  const [at, setAt] = useState<(typeof PLACES)[number]>("input");
  const [feature, setFeature] = useState("");
  const tried = useMutation({
    mutationFn: async () => ({
      text,
      found: await answer(api.POST("/api/v1/guards/try", { body: { text, at, feature, direction: at === "output" || at === "tool_arguments" ? "output" : "input" } })),
    }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    tried.mutate();
  };
  if (!may) return <Empty title="Trying a text needs the role expert">An administrator gives roles, under Settings.</Empty>;
  return (
    <div className="columns">
      <form className="panel stack" onSubmit={submit}>
        <label>
          Text
          <textarea rows={12} value={text} onChange={(event) => setText(event.target.value)} maxLength={50_000} required />
        </label>
        <div className="row">
          <label>
            It stands in
            <select value={at} onChange={(event) => setAt(event.target.value as typeof at)}>
              {PLACES.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
          <label>
            Feature
            <input value={feature} onChange={(event) => setFeature(event.target.value)} />
          </label>
        </div>
        <Button kind="main" type="submit" disabled={tried.isPending}>
          {tried.isPending ? "Trying …" : "Try"}
        </Button>
        <p className="muted small">It is sent to nobody and kept nowhere.</p>
      </form>
      <div role="status" className="stack">
        {tried.isError && <Failure error={tried.error} />}
        {tried.data && <Outcome text={tried.data.text} found={tried.data.found} />}
      </div>
    </div>
  );
}

function Outcome({ text, found }: { text: string; found: GuardTried }) {
  const markings = found.verdicts.flatMap((one) => one.findings.map((finding) => ({ ...finding, label: `${one.guard}: ${finding.kind}` })));
  return (
    <section className="panel stack" aria-label="What would be done">
      <h2 className="row">
        <Badge tone={found.action === "pass" ? "good" : found.action === "block" ? "bad" : "warn"}>{found.action}</Badge>
        <span className="muted small">{duration(found.took_ns)}</span>
      </h2>
      <Marked text={text} markings={markings} />
      {found.verdicts.map((verdict) => (
        <Said key={verdict.guard} verdict={verdict} />
      ))}
      {found.becomes !== "" && found.becomes !== text && (
        <>
          <h3>{BECOMES[found.action] ?? "What would be passed on"}</h3>
          <pre>{found.becomes}</pre>
        </>
      )}
      <p className="muted small">
        Policies about such a call: {found.policies.join(", ") || "none"}.
        {found.elsewhere.map((one) => ` ${one.policy} is not: ${one.why}.`)}
        {found.left_out.length > 0 && ` Not asked here, since they ask a model: ${found.left_out.join(", ")}.`}
      </p>
    </section>
  );
}

function Said({ verdict }: { verdict: Verdict }) {
  return (
    <div>
      <h3>
        {verdict.guard} {verdict.action && <Badge>{verdict.action}</Badge>}
      </h3>
      {verdict.not_run && <p className="warn">It gave no answer: {verdict.not_run}</p>}
      <ul>
        {verdict.findings.map((one) => (
          <li key={`${one.kind} ${one.start} ${one.end}`}>
            {one.kind}, score {one.score.toFixed(2)}, characters {one.start} to {one.end} {one.note && `(${one.note})`}
          </li>
        ))}
      </ul>
    </div>
  );
}
