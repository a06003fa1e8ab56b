import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useMemo, useState } from "react";

import { answer, api } from "../../api/client";
import type { Proposed } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import { Failure } from "../../parts/States";
import styles from "./Differences.module.css";
import { type Drafting, useFindings } from "./drafts";
import { excerpt, lines } from "./lines";
import { Outside } from "./Outside";
import { isVersion } from "./versions";

interface Props {
  name: string;
  drafting: Drafting;
  known: readonly string[];
}

/** Hand the draft in: a commit on a branch of its own, under the person's name, for colleagues to look at. */
export function Propose({ name, drafting, known }: Props) {
  const { draft, changed } = drafting;
  const queries = useQueryClient();
  const [done, setDone] = useState<Proposed | null>(null);
  const findings = useFindings(name, draft);
  const errors = findings.data?.filter((one) => one.severity === "error").length ?? 0;
  const send = useMutation({
    mutationFn: (said: { title: string; message: string }) =>
      answer(api.POST("/api/v1/proposals", { body: { ...said, name, version: draft.version, text: draft.text, files: [] } })),
    onSuccess: (made) => {
      setDone(made);
      void queries.invalidateQueries({ queryKey: ["prompts", "proposals"] });
    },
  });
  if (done) return <Done made={done} />;
  const hindrance = reason(draft.version, known, changed || draft.base === "", errors);
  return (
    <div className="columns">
      <WhatChanges name={name} drafting={drafting} />
      <section className="panel stack" aria-labelledby="propose">
        <h2 id="propose">Propose it</h2>
        <p className="muted">
          This commits the file to a new branch of the project&apos;s repository, with you as the author. What environments serve
          stays as it is: colleagues review, merge and release it.
        </p>
        <Form version={`${name} ${draft.version}`} hindrance={hindrance} busy={send.isPending} send={send.mutate} />
        {send.isError && <Failure error={send.error} />}
        <Link to="/prompts" search={{ show: "proposals" }}>
          All proposals
        </Link>
      </section>
    </div>
  );
}

function reason(version: string, known: readonly string[], changed: boolean, errors: number): string {
  if (!changed) return "Nothing is changed yet: write it in the tab Edit.";
  if (!isVersion(version)) return "The version is none: write it like 1.4.0, in the tab Edit.";
  if (known.includes(version)) return `There is a version ${version} already: choose the next, in the tab Edit.`;
  if (errors > 0) return `Lint finds ${errors === 1 ? "an error" : `${errors} errors`}: see the tab Edit.`;
  return "";
}

interface FormProps {
  version: string;
  hindrance: string;
  busy: boolean;
  send: (said: { title: string; message: string }) => void;
}

function Form({ version, hindrance, busy, send }: FormProps) {
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [title, message] = [form.get("title"), form.get("message")];
    if (typeof title === "string" && typeof message === "string") send({ title, message });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label>
        Title
        <input name="title" maxLength={200} placeholder={version} />
      </label>
      <label>
        What is better, and how do you know?
        <textarea name="message" required rows={4} maxLength={10_000} />
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
  const before = draft.base ? original : "";
  const found = useMemo(() => excerpt(lines(before, draft.text)), [before, draft.text]);
  const signs = { same: " ", gone: "−", new: "+" };
  const colours = { same: "", gone: styles.gone, new: styles.added };
  return (
    <section className="stack" aria-labelledby="changes">
      <h2 id="changes">
        prompts/{name}/{draft.version}.yaml <Badge tone="good">new file</Badge>
      </h2>
      <p className="muted small">{draft.base ? `Beside ${draft.base}, which stays as it is:` : "The whole file:"}</p>
      {found.length === 0 ? (
        <p className="panel muted">The same text as {draft.base}.</p>
      ) : (
        <pre className={styles.lines} tabIndex={0} role="region" aria-label="What changes">
          {found.map((line, index) => (
            <span key={index} className={line ? colours[line.kind] : "muted"}>
              {line ? `${signs[line.kind]} ${line.text}` : "  ⋮"}
            </span>
          ))}
        </pre>
      )}
    </section>
  );
}

function Done({ made }: { made: Proposed }) {
  return (
    <section className="panel stack" role="status" aria-label="Proposed">
      <h2 className="row">
        Proposed <Badge tone="good">{made.branch}</Badge>
      </h2>
      <p>
        Commit <code>{made.commit.slice(0, 12)}</code> with {made.files.join(", ")}. Nothing that is served has changed.
      </p>
      {made.push_problem && <p className="warn">! It was not pushed: {made.push_problem}</p>}
      {made.compare_url && <Outside url={made.compare_url} label="Make a pull request" />}
      {made.pushed ? (
        <>
          <p className="muted">To look at it in another clone:</p>
          <Command text={`git fetch && git switch ${made.branch}`} />
        </>
      ) : (
        <>
          <p className="muted">The branch is in the repository this server runs on. To look at it there, and to push it:</p>
          <Command text={`git diff ${made.base.slice(0, 12)}..${made.branch}`} />
          <Command text={`git push origin ${made.branch}`} />
        </>
      )}
      <Link to="/prompts" search={{ show: "proposals" }}>
        All proposals
      </Link>
    </section>
  );
}
