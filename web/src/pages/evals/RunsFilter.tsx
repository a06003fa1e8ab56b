import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { SubmitEvent } from "react";

import { Button } from "../../parts/Button";
import { suitesQuery } from "./queries";
import { type RunsSearch, VERDICTS } from "./search";
import { useTyped } from "./typed";

/** Is anything left out? */
export const isFiltered = ({ suite, prompt, version, verdict, author }: RunsSearch): boolean => [suite, prompt, version, verdict, author].some(Boolean);

/** Which runs: all of it is in the address. One that is chosen stays, also when the project has it no more. */
export function RunsFilter({ search }: { search: RunsSearch }) {
  const navigate = useNavigate();
  const suites = useQuery(suitesQuery).data ?? [];
  const [typed, setTyped] = useTyped({ version: search.version ?? "", author: search.author ?? "" });
  const options = (names: readonly string[], chosen: string | undefined) => [...new Set([...names, chosen ?? ""])].filter(Boolean).sort();
  const choose = (part: Partial<RunsSearch>) => void navigate({ to: "/evals/runs", search: { ...search, ...part, chosen: [] }, replace: true });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    choose({ version: typed.version.trim() || undefined, author: typed.author.trim() || undefined });
  };
  return (
    <form className="row" onSubmit={submit} style={{ alignItems: "end" }}>
      <Choice label="Suite" value={search.suite} names={options(suites.map((one) => one.name), search.suite)} choose={(suite) => choose({ suite })} />
      <Choice label="Prompt" value={search.prompt} names={options(suites.map((one) => one.prompt), search.prompt)} choose={(prompt) => choose({ prompt })} />
      <Choice label="Verdict" value={search.verdict} names={VERDICTS} choose={(name) => choose({ verdict: VERDICTS.find((one) => one === name) })} />
      <label>
        Version
        <input value={typed.version} onChange={(event) => setTyped({ ...typed, version: event.target.value })} placeholder="1.2.0" size={8} />
      </label>
      <label>
        Who
        <input type="search" value={typed.author} onChange={(event) => setTyped({ ...typed, author: event.target.value })} placeholder="part of a name" maxLength={200} size={14} />
      </label>
      <Button type="submit">Filter</Button>
      {isFiltered(search) && <Link to="/evals/runs">All runs</Link>}
    </form>
  );
}

interface ChoiceProps {
  label: string;
  value: string | undefined;
  names: readonly string[];
  choose: (name: string | undefined) => void;
}

function Choice({ label, value, names, choose }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={(event) => choose(event.target.value || undefined)}>
        <option value="">all</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
