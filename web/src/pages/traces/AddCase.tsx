import { useMutation, useQuery } from "@tanstack/react-query";
import type { SyntheticEvent } from "react";

import { answer, api } from "../../api/client";
import type { CaseProposed, NewCase } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import { Json } from "../../parts/Json";
import { useKeptFields } from "../../parts/kept";
import { Empty, Failure, Shown } from "../../parts/States";
import { datasetsQuery } from "../evals/queries";
import { versionsQuery } from "../prompts/queries";
import { Expected } from "./Expected";
import { answered, asText } from "./messages";
import { type FullSpan, useConversation } from "./queries";

/** Make a case of a call: what was asked, and what a right answer is. */
export function AddCase({ call }: { call: FullSpan }) {
  const sets = useQuery(datasetsQuery);
  const id = call.request_id || call.trace_id;
  const recorded = useConversation(id, call.span_id);
  const { fields, change, forget } = useKeptFields(`case:${id}`, { name: "", expected: "", tags: "" });
  const { name, expected, tags } = fields;
  const about = call.request_id ? { request_id: call.request_id } : { trace_id: call.trace_id };
  const add = useMutation({
    mutationFn: (body: NewCase) => answer(api.POST("/api/v1/datasets/{name}/cases", { params: { path: { name } }, body })),
    onSuccess: forget,
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const words = tags.split(",").map((tag) => tag.trim());
    add.mutate({ ...about, expected: expected || null, tags: words.filter(Boolean) });
  };
  const versions = useQuery({ ...versionsQuery(call.prompt), enabled: call.prompt !== "" });
  if (add.data) return <Added made={add.data} />;
  if (call.prompt && !call.release && versions.data && !versions.data.some((one) => one.content.version === call.version)) {
    return (
      <Empty title="A draft answered this call">
        {call.prompt}@{call.version} is no version yet, and a case needs one: what its variables were is known by its template. Propose it, and have
        it merged; or replay the call with a version, and make a case of that.
      </Empty>
    );
  }
  return (
    <Shown query={sets}>
      {(found) =>
        found.length === 0 ? (
          <Empty title="There is no dataset yet" command="moat dataset --help">
            A case stands in a dataset of the project: make one first.
          </Empty>
        ) : (
          <form className="stack" onSubmit={submit}>
            <label>
              Dataset
              <select value={name} onChange={(event) => change({ name: event.target.value })} required data-autofocus>
                <option value="">Choose …</option>
                {found.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.name}
                    {one.cases != null && ` · ${one.cases} cases`} · {one.state}
                  </option>
                ))}
              </select>
            </label>
            <Expected typed={expected} recorded={recorded && asText(answered(recorded))} change={(text) => change({ expected: text })} />
            <label>
              Tags, with commas between
              <input value={tags} onChange={(event) => change({ tags: event.target.value })} />
            </label>
            <p className="muted small">Credentials and data about people are masked. A locked dataset stays as it is: the case waits beside it.</p>
            {add.error && <Failure error={add.error} />}
            <div>
              <Button kind="main" type="submit" disabled={add.isPending}>
                Add the case
              </Button>
            </div>
          </form>
        )
      }
    </Shown>
  );
}

function Added({ made }: { made: CaseProposed }) {
  return (
    <div className="stack" role="status">
      <p>
        {made.added ? "The case stands in" : "It was there already, in"} <code>{made.dataset}</code>.
      </p>
      <Json value={made.case} />
      {made.next.length > 0 && <h3>What to do next</h3>}
      {made.next.map((command) => (
        <Command key={command} text={command} />
      ))}
    </div>
  );
}
