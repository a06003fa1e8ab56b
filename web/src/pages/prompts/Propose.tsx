import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { useKeptFields } from "../../parts/kept";
import { LineDiff } from "../../parts/LineDiff";
import { ProposalMade } from "../../parts/ProposalMade";
import { Failure } from "../../parts/States";
import { ChangedParts } from "./ChangedParts";
import { type Draft, type Drafting, pathOf, useFindings, useOtherDrafts, useProposed } from "./drafts";
import { Others } from "./Others";
import { type Parts, filesOf, together, useParts } from "./useParts";
import { isVersion } from "./versions";

interface Props {
  name: string;
  drafting: Drafting;
}

/** Hand the draft in: a commit on a branch of its own, under the person's name, for colleagues to look at. */
export function Propose({ name, drafting }: Props) {
  const { draft, taken, changed } = drafting;
  const queries = useQueryClient();
  const others = useOtherDrafts(name);
  const [chosen, choose] = useState<readonly string[]>([]);
  const parts = useParts(name, drafting);
  const { fields: said, change, forget } = useKeptFields(`propose:${name}`, { title: "", message: "" });
  const findings = useFindings(name, draft);
  const errors = findings.data?.filter((one) => one.severity === "error").length ?? 0;
  const note = useProposed();
  const send = useMutation({
    mutationFn: async (drafts: readonly (readonly [string, Draft])[]) => {
      const files = together(await Promise.all(drafts.map(([of, one]) => filesOf(of, one))));
      return answer(api.POST("/api/v1/proposals", { body: { ...said, files } }));
    },
    onSuccess: ({ branch }, drafts) => {
      forget();
      note(drafts, branch);
      return queries.invalidateQueries({ queryKey: ["proposals"] });
    },
    // It may be refused for what somebody else has just changed.
    onError: () => queries.invalidateQueries({ queryKey: ["prompts", "partials"] }),
  });
  if (send.data) return <ProposalMade made={send.data} />;
  const hindrance = reason(draft, taken, changed, errors) || partsReason(parts);
  return (
    <div className="columns">
      <div className="stack">
        <WhatChanges name={name} drafting={drafting} />
        <ChangedParts prompt={name} drafting={drafting} parts={parts} />
        {others.length > 0 && <Others drafts={others} chosen={chosen} choose={choose} />}
      </div>
      <section className="panel stack" aria-labelledby="propose">
        <h2 id="propose">Propose it</h2>
        <p className="muted">
          This commits {parts.files.length > 1 ? `${parts.files.length} files` : "the file"}
          {chosen.length > 0 && ` and those of ${chosen.length === 1 ? "another draft" : `${chosen.length} other drafts`}`} to a new branch of the project&apos;s repository,
          with you as the author. What environments serve stays as it is: colleagues review, merge and release it.
        </p>
        <Form said={said} change={change} hindrance={hindrance} busy={send.isPending} send={() => send.mutate([[name, draft], ...others.filter(([other]) => chosen.includes(other))])} />
        {send.isError && <Failure error={send.error} />}
        <Link to="/prompts" search={{ show: "proposals" }}>
          All proposals
        </Link>
      </section>
    </div>
  );
}

function reason({ base, version, proposed }: Draft, taken: readonly string[], changed: boolean, errors: number): string {
  if (proposed?.same) return `It is proposed as ${proposed.branch}. What you change of it can be proposed again.`;
  if (!changed && base !== "") return "Nothing is changed yet: write it in the tab Edit.";
  if (!isVersion(version)) return "The version is none: write it like 1.4.0, in the tab Edit.";
  if (taken.includes(version)) return `There is a version ${version} already: choose the next, in the tab Edit.`;
  if (errors > 0) return `Lint finds ${errors === 1 ? "an error" : `${errors} errors`}: see the tab Edit.`;
  return "";
}

function partsReason({ settled, error, parts }: Parts): string {
  if (error || !settled) return "What it includes is not known yet.";
  const missing = parts.find((part) => part.text === null);
  if (missing) return `There is no partial ${missing.name}: begin it in the tab Edit.`;
  const passed = parts.find((part) => part.passed);
  return passed ? `Somebody changed ${passed.name} since this draft took it: choose what becomes of that.` : "";
}

interface Said {
  title: string;
  message: string;
}

interface FormProps {
  said: Said;
  change: (part: Partial<Said>) => void;
  hindrance: string;
  busy: boolean;
  send: () => void;
}

function Form({ said, change, hindrance, busy, send }: FormProps) {
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    send();
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label>
        Title
        <input value={said.title} onChange={(event) => change({ title: event.target.value })} maxLength={200} placeholder="else the first line of the reasons" />
      </label>
      <label>
        What is better, and how do you know?
        <textarea value={said.message} onChange={(event) => change({ message: event.target.value })} required rows={4} maxLength={10_000} />
      </label>
      <div className="row">
        <Button kind="main" type="submit" disabled={busy || hindrance !== ""} aria-describedby="hindrance">
          {busy ? "Proposing …" : "Propose"}
        </Button>
        <span id="hindrance" className="warn" role="status">
          {hindrance && `! ${hindrance}`}
        </span>
      </div>
    </form>
  );
}

function WhatChanges({ name, drafting }: { name: string; drafting: Drafting }) {
  const { draft, original } = drafting;
  const from = draft.branch ? `${draft.base} of ${draft.branch}` : draft.base;
  return (
    <section className="stack" aria-labelledby="changes">
      <h2 id="changes">
        {pathOf(name, draft.version)} <Badge tone="good">new file</Badge>
      </h2>
      <p className="muted small">{draft.base ? `Beside ${from}, which stays as it is:` : "The whole file:"}</p>
      {draft.text === (draft.base ? original : "") ? (
        <p className="panel muted">The same text as {from}.</p>
      ) : (
        <LineDiff before={draft.base ? original : ""} after={draft.text} />
      )}
    </section>
  );
}
