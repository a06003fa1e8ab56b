import { useMutation, useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { RunResult, Variable } from "../../api/schema";
import { Button } from "../../parts/Button";
import { ago, count } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { isRecord } from "../../parts/records";
import { Empty, Failure } from "../../parts/States";
import { type VariableSet, setOf, setsOf } from "./variables";

interface Props {
  name: string;
  variables: Readonly<Record<string, Variable>>;
  add: (sets: VariableSet[]) => void;
}

/** Sets taken at one time. */
const MOST = 20;

/** Take values from cases: of an eval run, whose dataset they come from, or lines of a dataset. */
export function Cases({ name, variables, add }: Props) {
  const [open, setOpen] = useState(false);
  const take = (sets: VariableSet[]) => {
    add(sets.slice(0, MOST));
    setOpen(false);
  };
  return (
    <div>
      <Button onClick={() => setOpen(true)}>Values from cases …</Button>
      <Modal title="Values from cases" open={open} close={() => setOpen(false)}>
        <FromRun name={name} variables={variables} take={take} />
        <Pasted take={take} />
      </Modal>
    </div>
  );
}

function FromRun({ name, variables, take }: { name: string; variables: Props["variables"]; take: (sets: VariableSet[]) => void }) {
  const runs = useQuery({
    queryKey: ["runs", "of prompt", name],
    queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/runs", { params: { query: { prompt: name, limit: 20 } }, signal }))).runs,
  });
  const cases = useMutation({
    mutationFn: async (form: FormData) => {
      const [id, search] = [form.get("run"), form.get("search")].map((value) => (typeof value === "string" ? value : ""));
      const query = { limit: MOST, ...(search ? { search } : {}) };
      return (await answer(api.GET("/api/v1/runs/{id}/results", { params: { path: { id: id ?? "" }, query } }))).results;
    },
    onSuccess: (results) => {
      const sets = setsOfResults(results, variables);
      if (sets.length) take(sets);
    },
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    cases.mutate(new FormData(event.currentTarget));
  };
  if (runs.data?.length === 0) {
    return (
      <Empty title="No eval run of this prompt yet" command={`moat eval run ${name}`}>
        <p>The cases of its dataset can be taken from there.</p>
      </Empty>
    );
  }
  return (
    <form className="stack" onSubmit={submit}>
      <h2>Of an eval run</h2>
      {runs.isError && <Failure error={runs.error} />}
      <label>
        Run
        <select name="run">
          {runs.data?.map((run) => (
            <option key={run.id} value={run.id}>
              {run.suite}, {run.version}, {count(run.cases)} cases, {ago(run.created_ns)}
            </option>
          ))}
        </select>
      </label>
      <label>
        Case
        <input name="search" placeholder="Part of its id; empty: the first ones" />
      </label>
      {cases.isError && <Failure error={cases.error} />}
      {cases.isSuccess && <p role="status">No such case, or its dataset is no longer there.</p>}
      <div className="row">
        <Button type="submit" disabled={cases.isPending || !runs.data}>
          Take up to {MOST}
        </Button>
      </div>
    </form>
  );
}

/** Cases answered once each; a lone text is the value of the one variable that must be given. */
function setsOfResults(results: readonly RunResult[], variables: Props["variables"]): VariableSet[] {
  const found = new Map<string, VariableSet>();
  const alone = Object.keys(variables).find((name) => variables[name]?.default === undefined) ?? Object.keys(variables)[0];
  for (const { case: id, asked } of results) {
    const input = asked?.input;
    if (typeof input === "string" && alone) found.set(id, setOf(id, { [alone]: input }));
    else if (isRecord(input)) found.set(id, setOf(id, Object.fromEntries(Object.entries(input).filter(([name]) => Object.hasOwn(variables, name)))));
  }
  return [...found.values()];
}

function Pasted({ take }: { take: (sets: VariableSet[]) => void }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    try {
      const sets = setsOf(text);
      if (sets.length) take(sets);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <form className="stack" onSubmit={submit}>
      <h2>Pasted</h2>
      <label>
        Lines of a dataset (JSONL)
        <textarea rows={4} value={text} spellCheck={false} placeholder={'{"id": "late", "variables": {"question": "Where is it?"}}'} onChange={(event) => setText(event.target.value)} />
      </label>
      {problem && (
        <p className="bad" role="alert">
          ✕ {problem}
        </p>
      )}
      <div className="row">
        <Button type="submit" disabled={!text.trim()}>
          Take them
        </Button>
      </div>
    </form>
  );
}
