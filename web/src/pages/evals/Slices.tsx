import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { SubmitEvent } from "react";

import type { RunDetail, RunSlice } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { runQuery } from "./queries";
import { bounds, score } from "./runs";
import { useTyped } from "./typed";
import { Whisker } from "./Whisker";

const route = getRouteApi("/inside/evals/runs/$id");

/** One score in parts of the cases, by tags and labels: where it is good, and where it is not. */
export function Slices({ detail }: { detail: RunDetail }) {
  const search = route.useSearch();
  const split = useQuery(runQuery(detail.run.id, search.slices));
  const chosen = search.score ?? detail.scores.find((one) => one.gated)?.name ?? detail.scores[0]?.name ?? "";
  if (detail.scores.length === 0) return null;
  return (
    <section className="stack">
      <h2>Slices</h2>
      <Choice slices={search.slices ?? ""} chosen={chosen} names={detail.scores.map((one) => one.name)} />
      <Shown query={split}>{(found) => <Found slices={found.slices.filter((one) => one.score === chosen)} asked={Boolean(search.slices)} score={chosen} />}</Shown>
    </section>
  );
}

function Choice({ slices, chosen, names }: { slices: string; chosen: string; names: string[] }) {
  const navigate = useNavigate({ from: "/evals/runs/$id" });
  const [text, setText] = useTyped(slices);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const paths = text.split(/[\s,]+/).filter(Boolean).join(",");
    void navigate({ search: (before) => ({ ...before, slices: paths || undefined }), resetScroll: false });
  };
  const choose = (name: string) => void navigate({ search: (before) => ({ ...before, score: name }), replace: true, resetScroll: false });
  return (
    <form className="row" onSubmit={submit} style={{ alignItems: "end" }}>
      <label>
        Score
        <select value={chosen} onChange={(event) => choose(event.target.value)}>
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Split by
        <input value={text} onChange={(event) => setText(event.target.value)} placeholder="tags, labels.intent" size={30} />
      </label>
      <Button type="submit">Split</Button>
    </form>
  );
}

function Found({ slices, asked, score: name }: { slices: RunSlice[]; asked: boolean; score: string }) {
  if (slices.length === 0) {
    return (
      <p className="muted">
        {asked ? "No case has a value for these." : "The suite names no slices: write tags, or a label's path, to see this score in parts. In the suite's file "}
        {!asked && (
          <>
            that is <code>slices: [tags]</code>.
          </>
        )}
      </p>
    );
  }
  return <Table label={`${name} by slice`} rows={slices} columns={COLUMNS} id={(one) => one.name} height="50vh" />;
}

const COLUMNS: Column<RunSlice>[] = [
  { key: "name", header: "Slice", cell: (one) => one.name, kind: "cut", sort: (one) => one.name },
  { key: "n", header: "Cases", kind: "number", cell: (one) => count(one.n), sort: (one) => one.n },
  { key: "mean", header: "Mean", kind: "number", cell: (one) => score(one.mean), sort: (one) => one.mean },
  { key: "interval", header: "95 % interval", cell: (one) => <span className="number">{bounds(one.low, one.high)}</span> },
  { key: "picture", header: "0 to 1", cell: (one) => <Whisker value={one.mean} low={one.low} high={one.high} /> },
  { key: "few", header: "Worth", cell: (one) => one.few && <Badge tone="warn">too few cases to say</Badge> },
];
