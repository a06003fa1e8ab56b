import { type MutationState, useIsMutating, useMutation, useMutationState, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SyntheticEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { Replayed, Reply } from "../../api/schema";
import { modelsQuery } from "../../api/serving";
import { Button } from "../../parts/Button";
import { change, duration, money } from "../../parts/format";
import { Failure } from "../../parts/States";
import { WordDiff } from "../../parts/WordDiff";
import { versionsQuery } from "../prompts/queries";
import { releasesQuery } from "../releases/queries";
import type { FullSpan } from "./queries";
import styles from "./Trace.module.css";

type What = "model" | "version" | "release";

const LABELS: Record<What, string> = { model: "Model alias", version: "Version of the prompt", release: "Release" };

/** Ask a recorded call again, of something else, and see both answers. It costs money, within one's own budget. */
export function Replay({ call }: { call: FullSpan }) {
  const [what, setWhat] = useState<What>("model");
  const [value, setValue] = useState("");
  const choices = useChoices(call, what);
  const replay = useMutation({
    mutationKey: replaysOf(call),
    mutationFn: () => answer(api.POST("/api/v1/replays", { body: { request_id: call.request_id, ...(value ? { [what]: value } : {}) } })),
    // Each was paid for: they are kept until the person leaves the console, whatever page is looked at.
    gcTime: Infinity,
  });
  const asked = useMutationState({ filters: { mutationKey: replaysOf(call) }, select: ({ state }) => state as MutationState<Replayed> });
  const pending = asked.some((one) => one.status === "pending");
  const [last, ...earlier] = asked.flatMap((one) => (one.data ? [one.data] : [])).reverse();
  const failure = asked.at(-1)?.error;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    replay.mutate();
  };
  return (
    <div className="stack">
      <form className="stack" onSubmit={submit}>
        <p className="muted small">
          The call goes once more through the pipeline, as your own: within your playground budget, and nobody&rsquo;s traffic. The recorded one cost {money(call.cost)}.
        </p>
        <div className="row">
          {call.prompt && (
            <label>
              Instead
              <select
                value={what}
                onChange={(event) => {
                  setWhat(event.target.value as What);
                  setValue("");
                }}
              >
                {(Object.keys(LABELS) as What[]).map((one) => (
                  <option key={one} value={one}>
                    {LABELS[one]}
                  </option>
                ))}
              </select>
            </label>
          )}
          <label>
            {LABELS[what]}
            <select value={value} onChange={(event) => setValue(event.target.value)} required={what !== "model"}>
              <option value="">{what === "model" ? "As it was sent" : "Choose …"}</option>
              {choices.map(([id, label]) => (
                <option key={id} value={id}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </div>
        <div className="row">
          <Button kind="main" type="submit" disabled={pending}>
            Replay
          </Button>
          <span role="status" className="muted">
            {pending && "Asking …"}
          </span>
        </div>
      </form>
      {failure && <Failure error={failure} />}
      {last && <Both got={last} label="Both answers" />}
      {earlier.length > 0 && <Earlier replays={earlier} />}
    </div>
  );
}

/** Under which the replays of a call are known. */
const replaysOf = (call: FullSpan) => ["replay", call.request_id];

/** Is a replay of the call under way? */
export const useReplaying = (call: FullSpan): boolean => useIsMutating({ mutationKey: replaysOf(call) }) > 0;

function Earlier({ replays }: { replays: readonly Replayed[] }) {
  return (
    <details>
      <summary>
        {replays.length} earlier {replays.length === 1 ? "replay" : "replays"} of this call
      </summary>
      <div className="stack">
        {replays.map((got, index) => (
          <Both key={got.request_id} got={got} label={`Both answers, ${index + 1} before`} />
        ))}
      </div>
    </details>
  );
}

/** What can take the place of what answered then. */
function useChoices(call: FullSpan, what: What): readonly (readonly [string, string])[] {
  const models = useQuery({ ...modelsQuery, enabled: what === "model" });
  const versions = useQuery({ ...versionsQuery(call.prompt), enabled: what === "version" && call.prompt !== "" });
  const releases = useQuery({ ...releasesQuery(call.prompt), enabled: what === "release" && call.prompt !== "" });
  if (what === "model") return (models.data ?? []).map((one) => [one, one] as const);
  if (what === "version") return (versions.data ?? []).map((one) => [one.content.version, one.content.version] as const).reverse();
  return (releases.data ?? []).map((one) => [one.id, `${one.content.version} · ${one.id}`] as const);
}

function Both({ got, label }: { got: Replayed; label: string }) {
  const [then, now] = [got.first, got.answer];
  const [before, after] = [textOf(then), textOf(now)];
  return (
    <section className="stack" aria-label={label} role="status">
      <p>
        <strong>{got.target}</strong> {got.model && <span className="muted">answered by {got.model}</span>}{" "}
        <Link to="/traces/$id" params={{ id: got.request_id }}>
          Its trace
        </Link>
      </p>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={`${label}, in numbers`}>
        <table className={styles.table}>
          <thead>
            <tr>
              <td />
              <th scope="col">Recorded</th>
              <th scope="col">Now</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            <Line name="Took" then={duration(then.latency_ns)} now={duration(now.latency_ns)} change={change(now.latency_ns, then.latency_ns)} />
            <Line name="Tokens" then={tokens(then)} now={tokens(now)} change={change(now.output_tokens, then.output_tokens)} />
            <Line name="Cost" then={money(then.cost)} now={money(now.cost)} change={change(now.cost, then.cost)} />
          </tbody>
        </table>
      </div>
      <div className={styles.sides}>
        <Side title="Recorded" text={before} />
        <Side title="Now" text={after} />
      </div>
      <h3>What changed</h3>
      {before === after ? <p className="muted">The answers are the same to the letter.</p> : <WordDiff before={before} after={after} />}
    </section>
  );
}

function Line({ name, then, now, change: by }: { name: string; then: string; now: string; change: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td className="number">{then}</td>
      <td className="number">{now}</td>
      <td className="number muted">{by}</td>
    </tr>
  );
}

function Side({ title, text }: { title: string; text: string }) {
  return (
    <div>
      <h3>{title}</h3>
      <pre>{text || "(nothing)"}</pre>
    </div>
  );
}

const tokens = (reply: Reply): string => `${reply.input_tokens} + ${reply.output_tokens}`;

const textOf = (reply: Reply): string =>
  [reply.text, reply.refusal, ...reply.tool_calls.map((call) => JSON.stringify(call)), reply.error].filter(Boolean).join("\n");
