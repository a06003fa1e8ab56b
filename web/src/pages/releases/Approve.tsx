import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { Release } from "../../api/schema";
import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { time } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Failure } from "../../parts/States";
import { rulesQuery } from "./queries";

/** Say yes to a release in an environment, as the second pair of eyes. */
export function Approve({ release }: { release: Release }) {
  const may = useMay("engineer");
  const [open, setOpen] = useState(false);
  if (!may) return null;
  return (
    <>
      <Button onClick={() => setOpen(true)}>Approve</Button>
      {open && <Yes release={release} close={() => setOpen(false)} />}
    </>
  );
}

function Yes({ release, close }: { release: Release; close: () => void }) {
  const queries = useQueryClient();
  const [said, setSaid] = useState({ environment: "", comment: "" });
  const rules = useQuery(rulesQuery);
  const approve = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/approvals", { body: { release: release.id, ...said } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["releases"] }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    approve.mutate();
  };
  const what = `${release.content.name}@${release.content.version}`;
  if (approve.data) {
    return (
      <Modal title={`Approve ${what}`} open close={close}>
        <p role="status">
          <bdi>{approve.data.actor}</bdi> approved it for {approve.data.environment} at {time(approve.data.created_ns)}.
        </p>
        <div>
          <Button onClick={close} autoFocus>
            Close
          </Button>
        </div>
      </Modal>
    );
  }
  return (
    <Modal title={`Approve ${what}`} open close={close}>
      <form className="stack" onSubmit={submit}>
        <p className="muted">
          The yes is to exactly this release, in one environment. It counts unless you wrote the version or release it yourself, and it cannot
          be taken back.
        </p>
        <label>
          Environment
          <select required value={said.environment} onChange={(event) => setSaid({ ...said, environment: event.target.value })}>
            <option value="" />
            {rules.data?.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
                {one.rules.approvals > 0 && ` (asks for ${one.rules.approvals})`}
              </option>
            ))}
          </select>
        </label>
        <label>
          Comment
          <input value={said.comment} onChange={(event) => setSaid({ ...said, comment: event.target.value })} maxLength={2000} />
        </label>
        {approve.isError && <Failure error={approve.error} />}
        <div className="row">
          <Button kind="main" type="submit" disabled={approve.isPending}>
            Approve
          </Button>
          <Button onClick={close}>Not now</Button>
        </div>
      </form>
    </Modal>
  );
}
