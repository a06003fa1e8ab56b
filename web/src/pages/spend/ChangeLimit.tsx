import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode, SubmitEvent } from "react";

import { answer, api } from "../../api/client";
import type { ConfigDraft, LimitRule, LimitState, LimitWish } from "../../api/schema";
import { sessionQuery, useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { textKey, useKept, useKeptFields } from "../../parts/kept";
import { LineDiff } from "../../parts/LineDiff";
import { ProposalMade } from "../../parts/ProposalMade";
import { useSettled } from "../../parts/settled";
import { Empty, Failure } from "../../parts/States";
import { Amount, LimitFields } from "./LimitFields";
import type { LimitAct } from "./search";
import { NEW, PLAYGROUND, type Typed, fullest, isTyped, isWhole, typedOf, wishOf } from "./wish";

interface Props {
  act: LimitAct;
  /** Its name; empty for a new one. */
  limit: string;
  rules: readonly LimitRule[];
  counters: readonly LimitState[];
}

/** Write a limit anew, see what becomes of moat.yaml, and propose it: what is in force changes when others merge it. */
export function ChangeLimit({ act, limit, rules, counters }: Props) {
  const may = useMay("engineer");
  const rule = rules.find((one) => one.limit === limit);
  if (!may) return <p className="panel">Changing limits needs the role engineer. An admin gives it in Settings.</p>;
  if (act !== "new" && !rule) {
    return (
      <Empty title="There is no such limit">
        <Back />
      </Empty>
    );
  }
  if (rule && !isStated(rule)) {
    return (
      <Empty title={`${limit} is stated by ${rule.place}`}>
        <p>That is a variable of the environment: it is changed where the server is started.</p>
        <Back />
      </Empty>
    );
  }
  if (act === "remove") return <Removal limit={limit} used={fullest(limit, counters)} />;
  return <Editing key={`${act} ${limit}`} limit={act === "new" ? "" : limit} rule={rule} used={fullest(limit, counters)} />;
}

/** Is it stated in moat.yaml, or can it be? Others are variables of the environment. */
export const isStated = (rule: LimitRule): boolean => rule.limit === PLAYGROUND || rule.place.startsWith("moat.yaml");

const Back = () => (
  <Link to="/spend/limits" search={{}}>
    All limits
  </Link>
);

function Editing({ limit, rule, used }: { limit: string; rule: LimitRule | undefined; used: LimitState | undefined }) {
  const { data: session } = useQuery(sessionQuery);
  const [kept, keep] = useKept(textKey("form", session?.actor ?? "", `limit:${limit}`), isTyped);
  const typed = kept ?? (rule ? typedOf(rule) : NEW);
  const change = (part: Partial<Typed>) => keep({ ...typed, ...part });
  const whole = limit === PLAYGROUND ? typed.amount.trim() !== "" : isWhole(typed);
  const title = limit ? `limits: change ${limit}` : `limits: add ${typed.name}`;
  return (
    <Proposing heading={limit ? `Change ${limit}` : "A new limit"} title={title} wish={whole ? wishOf(limit, typed) : null} forget={kept ? () => keep(null) : undefined}>
      {limit === PLAYGROUND ? (
        <Amount typed={typed} change={change} used={used} label="US dollars that each person may spend in a day on trying prompts" />
      ) : (
        <LimitFields typed={typed} change={change} used={used} />
      )}
    </Proposing>
  );
}

function Removal({ limit, used }: { limit: string; used: LimitState | undefined }) {
  return (
    <Proposing heading={`Remove ${limit}`} title={`limits: remove ${limit}`} wish={{ limit, rule: null }}>
      <p>
        Calls that only this limit refuses or changes now will go on as they are.
        {used && " Its counters end with it."}
      </p>
    </Proposing>
  );
}

interface ProposingProps {
  heading: string;
  /** Of the commit. */
  title: string;
  /** Null as long as something is missing. */
  wish: LimitWish | null;
  /** Forgets what was typed; undefined while nothing was. */
  forget?: () => void;
  children: ReactNode;
}

function Proposing({ heading, title, wish, forget, children }: ProposingProps) {
  const queries = useQueryClient();
  const why = useKeptFields(`limit:why:${heading}`, { message: "" });
  const { message } = why.fields;
  const clear = () => {
    why.forget();
    forget?.();
  };
  const settled = useSettled(JSON.stringify(wish));
  const draft = useQuery({
    queryKey: ["drafts", "limits", settled],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/limits/drafts", { body: JSON.parse(settled) as LimitWish, signal })),
    enabled: settled !== "null",
    placeholderData: keepPreviousData,
    gcTime: 0,
    retry: false,
  });
  const isNew = draft.isSuccess && !draft.isPlaceholderData && settled === JSON.stringify(wish);
  const propose = useMutation({
    mutationFn: ({ path, text, base }: ConfigDraft) =>
      answer(api.POST("/api/v1/proposals", { body: { title, message, files: [{ path, text, base }] } })),
    onSuccess: () => {
      clear();
      return queries.invalidateQueries({ queryKey: ["proposals"] });
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isNew) propose.mutate(draft.data);
  };
  if (propose.data) {
    return (
      <>
        <ProposalMade made={propose.data} />
        <Back />
      </>
    );
  }
  return (
    <form className="columns" onSubmit={submit}>
      <section className="panel stack" aria-labelledby="limit">
        <h2 id="limit">{heading}</h2>
        {children}
        <label>
          Why
          <textarea value={message} onChange={(event) => why.change({ message: event.target.value })} required rows={3} maxLength={10_000} />
        </label>
        {propose.isError && <Failure error={propose.error} />}
        <div className="row">
          <Button kind="main" type="submit" disabled={!isNew || draft.data.text === draft.data.before || propose.isPending}>
            {propose.isPending ? "Proposing …" : "Propose"}
          </Button>
          {(forget ?? message) && <Button onClick={clear}>Forget what is typed</Button>}
          <Back />
        </div>
      </section>
      <Becomes draft={draft.data} error={settled === "null" ? null : draft.error} />
    </form>
  );
}

function Becomes({ draft, error }: { draft: ConfigDraft | undefined; error: Error | null }) {
  return (
    <section className="stack" aria-labelledby="becomes">
      <h2 id="becomes">What becomes of moat.yaml</h2>
      <p className="muted">
        Proposing commits this to a branch of its own, with you as the author. What is in force stays as it is until colleagues merge it.
      </p>
      {error && <Failure error={error} />}
      {draft?.edited && (
        <p className="warn">! The file that is in force differs from the one that is committed. This changes the committed one.</p>
      )}
      {!error && draft && draft.text === draft.before && <p className="panel muted">Nothing is changed yet.</p>}
      {!error && draft && <LineDiff before={draft.before} after={draft.text} />}
      {!error && !draft && <p className="panel muted">It shows here once there is a name and an amount.</p>}
    </section>
  );
}
