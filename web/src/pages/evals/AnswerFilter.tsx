import { useNavigate } from "@tanstack/react-router";
import type { SubmitEvent } from "react";

import { Button } from "../../parts/Button";
import { KINDS, type Kind, type RunSearch } from "./search";
import { useTyped } from "./typed";

const WORDS: Record<Kind, string> = { below: "scored below", failed: "no answer or no score" };

/** Which answers are shown. It goes into the address when it is sent. */
export function AnswerFilter({ search, names }: { search: RunSearch; names: readonly string[] }) {
  const navigate = useNavigate({ from: "/evals/runs/$id" });
  const [text, setText] = useTyped(search.search ?? "");
  const [below, setBelow] = useTyped(String(search.below ?? 1));
  const put = (part: Partial<RunSearch>) => void navigate({ search: (before) => ({ ...before, ...part }), replace: true, resetScroll: false });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    put({ search: text.trim() || undefined, ...(search.show === "below" && { below: Number(below) }) });
  };
  return (
    <form className="row" onSubmit={submit} style={{ alignItems: "end" }}>
      <label>
        Answers
        <select value={search.show ?? ""} onChange={(event) => put({ show: KINDS.find((one) => one === event.target.value) })}>
          <option value="">all</option>
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {WORDS[kind]}
            </option>
          ))}
        </select>
      </label>
      {search.show === "below" && (
        <label>
          Value
          <input type="number" min={0} max={1} step="any" required value={below} onChange={(event) => setBelow(event.target.value)} />
        </label>
      )}
      {search.show && (
        <label>
          By
          <select value={search.score ?? ""} onChange={(event) => put({ score: event.target.value || undefined })}>
            <option value="">any score</option>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <label>
        Case
        <input type="search" value={text} onChange={(event) => setText(event.target.value)} placeholder="part of its id" maxLength={200} />
      </label>
      <Button type="submit">Filter</Button>
    </form>
  );
}
