import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useRef, useState } from "react";

import type { DraftCall, Registration } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Answers } from "./Answers";
import { Cases } from "./Cases";
import { type Draft, type Drafting, fileQuery, sent, usePreview, useSets, useVariables } from "./drafts";
import { Left } from "./Left";
import { type Lane, lanes, toggled } from "./lanes";
import styles from "./Playground.module.css";
import { SuiteRun } from "./SuiteRun";
import { type Job, type Tries, written } from "./tries";
import { type VariableSet, valued } from "./variables";
import { ValueSets } from "./ValueSets";

const route = getRouteApi("/inside/prompts/$");

interface Props {
  name: string;
  drafting: Drafting;
  versions: readonly Registration[];
  models: readonly string[];
  tries: Tries;
}

/** Ask models, side by side: the draft and versions, with one set of values or several; then against the suite. */
export function Playground({ name, drafting, versions, models, tries }: Props) {
  const search = route.useSearch();
  const [every, setEvery] = useState(false);
  const [sets, keep] = useSets(name);
  const variables = useVariables(name, drafting.draft);
  const known = versions.map((one) => one.content.version);
  const { attempts, run, stop } = tries;
  const order = useOrder(name, drafting);
  const tried = (search.tried ?? usual(drafting)).filter((what) => what === "draft" || known.includes(what));
  const chosen = (search.models ?? []).filter((model) => model === "" || models.includes(model));
  const own = useOwnModel(name, drafting.draft, versions);
  const side = lanes(tried, chosen, own);
  const asked = every ? sets : sets.slice(0, 1);
  const current = sets[0] ?? { name: "", typed: {} };
  const { problems } = valued(variables, current.typed);
  const busy = Object.values(attempts).some((one) => one.state === "waiting" || one.state === "running");
  const jobs = asked.flatMap((set): Job[] =>
    side.lanes.map((lane) => ({ id: cell(set, lane), order: () => order(lane, valued(variables, set.typed).values) })),
  );
  const values = useRef<HTMLFormElement>(null);
  const start = () => {
    // The browser says which field lacks a value, and puts the focus there.
    if (values.current?.reportValidity() ?? true) void run(jobs);
  };
  return (
    <div className="stack">
      <div className={styles.setup}>
        <div className="stack">
          <form ref={values} onSubmit={(event) => event.preventDefault()}>
            <ValueSets sets={sets} keep={keep} variables={variables} problems={problems} />
          </form>
          <Cases name={name} variables={variables} add={(more) => keep(merged(sets, more))} />
        </div>
        <div className="panel stack">
          <Choice legend="Side by side" options={["draft", ...[...known].reverse()]} chosen={tried} toggle={(one) => toggled(tried, one)} param="tried" />
          <Choice
            legend="Models"
            options={["", ...models]}
            labels={{ "": ["the prompt's own", ...new Set(tried.map(own).filter(Boolean))].join(" · ") }}
            chosen={chosen.length ? chosen : [""]}
            // Nothing chosen means the own one: the first that is chosen takes its place.
            toggle={(one) => toggled(chosen, one)}
            param="models"
          />
          {sets.length > 1 && (
            <label className={styles.check}>
              <input type="checkbox" checked={every} onChange={(event) => setEvery(event.target.checked)} />
              With all {sets.length} sets of values
            </label>
          )}
          <div className="row">
            <Button kind="main" disabled={busy || jobs.length === 0 || Object.keys(problems).length > 0} onClick={start}>
              {jobs.length === 1 ? "Ask" : `Ask ${jobs.length} times`}
            </Button>
            <Button disabled={!busy} onClick={() => stop()}>
              Stop
            </Button>
          </div>
          {side.left > 0 && <p className="warn small">! Only the first {side.lanes.length} columns are asked: {side.left} more are chosen.</p>}
          <Left />
        </div>
      </div>
      {asked.map((set) => (
        <Answers key={set.name} draft={written(drafting.draft)} title={sets.length > 1 ? set.name : "Answers"} lanes={side.lanes} of={(lane) => attempts[cell(set, lane)]} stop={(lane) => stop(cell(set, lane))} />
      ))}
      <SuiteRun name={name} draft={drafting.draft} />
    </div>
  );
}

/** The draft beside what it began with. As long as they are the same one is enough: what is only proposed is the draft. */
function usual({ draft, changed }: Drafting): string[] {
  if (!draft.base || (draft.branch && !changed)) return ["draft"];
  return changed ? ["draft", draft.base] : [draft.base];
}

/** Which model answers the draft, or a version, when no other is asked for; empty when that is not known. */
function useOwnModel(name: string, draft: Draft, versions: readonly Registration[]) {
  const { preview } = usePreview(name, draft, NONE);
  return (what: string): string =>
    (what === "draft" ? preview?.cost?.model : versions.find((one) => one.content.version === what)?.content.model) ?? "";
}

const NONE = {};

const cell = (set: VariableSet, lane: Lane): string => `${lane.id} ${set.name}`;

/** What to send for a lane: the draft's text, or that of a version's file. One that is only proposed is sent as the draft began. */
function useOrder(name: string, drafting: Drafting) {
  const queries = useQueryClient();
  return async (lane: Lane, variables: Record<string, unknown>): Promise<DraftCall> => {
    const { draft } = drafting;
    if (lane.what === "draft") return { ...sent(name, draft), variables, model: lane.model };
    // As it is now: one that is not published may have been edited since it was looked at.
    const file = await queries.query({ ...fileQuery(name, lane.what, lane.what === draft.base ? draft.branch : ""), staleTime: 0 });
    if (file === null) throw new Error(`${name}@${lane.what} has no file in the project that this server runs on.`);
    const text = draft.branch && lane.what === draft.base ? drafting.original : file.text;
    return { ...sent(name, { ...file, text, version: lane.what }), variables, model: lane.model };
  };
}

/** New sets behind the one in the form; one of the same name is replaced. */
function merged(sets: VariableSet[], more: VariableSet[]): VariableSet[] {
  const names = new Set(more.map((set) => set.name));
  const left = sets.filter((set) => !names.has(set.name) && Object.values(set.typed).some(Boolean));
  return [...more.slice(0, 1), ...left, ...more.slice(1)];
}

interface ChoiceProps {
  legend: string;
  options: readonly string[];
  /** What an option is called, where that is not what it is. */
  labels?: Readonly<Record<string, string>>;
  chosen: readonly string[];
  /** The choice after one was pressed. */
  toggle: (one: string) => string[];
  param: "tried" | "models";
}

function Choice({ legend, options, labels = {}, chosen, toggle, param }: ChoiceProps) {
  const navigate = route.useNavigate();
  const choose = (one: string) => {
    const next = toggle(one);
    void navigate({ search: (before) => ({ ...before, [param]: next.length ? next : undefined }), replace: true });
  };
  return (
    <fieldset className={styles.choice}>
      <legend>{legend}</legend>
      {options.map((one) => (
        <label key={one} className={styles.check}>
          <input type="checkbox" checked={chosen.includes(one)} onChange={() => choose(one)} />
          {labels[one] ?? one}
        </label>
      ))}
    </fieldset>
  );
}
