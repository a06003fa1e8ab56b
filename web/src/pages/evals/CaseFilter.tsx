import { useNavigate } from "@tanstack/react-router";
import type { SubmitEvent } from "react";

import type { SliceChanges } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import type { CompareSearch } from "./search";
import { useTyped } from "./typed";

/** Which cases of a comparison: a slice of them, or text in their ids. It goes into the address when it is sent. */
export function CaseFilter({ slices, search }: { slices: readonly SliceChanges[]; search: CompareSearch }) {
  const navigate = useNavigate({ from: "/evals/compare" });
  const [typed, setTyped] = useTyped({ search: search.search ?? "", slice: search.slice ?? "" });
  const put = (slice: string, text: string) =>
    void navigate({ search: (before) => ({ ...before, slice: slice.trim() || undefined, search: text.trim() || undefined }), replace: true, resetScroll: false });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    put(typed.slice, typed.search);
  };
  const known = slices.some((one) => one.name === typed.slice);
  return (
    <form className="row" onSubmit={submit} style={{ alignItems: "end" }}>
      {slices.length > 0 && (
        <label>
          Slice, most losses first
          <select value={known ? typed.slice : ""} onChange={(event) => put(event.target.value, typed.search)}>
            <option value="">all cases</option>
            {slices.map(({ name, counts }) => (
              <option key={name} value={name}>
                {name}: {count(counts.worse)} worse, {count(counts.better)} better
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        {slices.length > 0 ? "Or another slice" : "Slice"}
        <input value={typed.slice} onChange={(event) => setTyped({ ...typed, slice: event.target.value })} placeholder="labels.intent=refund" maxLength={200} />
      </label>
      <label>
        Case
        <input type="search" value={typed.search} onChange={(event) => setTyped({ ...typed, search: event.target.value })} placeholder="part of its id" maxLength={200} />
      </label>
      <Button type="submit">Filter</Button>
    </form>
  );
}
