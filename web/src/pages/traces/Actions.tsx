import { useNavigate } from "@tanstack/react-router";
import { type SyntheticEvent, useState } from "react";

import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { AddCase } from "./AddCase";
import type { FullSpan } from "./queries";
import { Replay, useReplaying } from "./Replay";
import { SendToReview } from "./Review";

type Which = "replay" | "case" | "review" | "compare";

const ASKING = "It stays open until the answer is there. ✕ closes it; the answer stands here when you open it again.";

/** What can be done with a call. */
export function Actions({ call }: { call: FullSpan }) {
  const [open, setOpen] = useState<Which | null>(null);
  const may = useMay("expert");
  const why = may ? undefined : "Needs the role expert";
  const close = () => setOpen(null);
  const replaying = useReplaying(call);
  return (
    <>
      <Button disabled={!may} title={why} onClick={() => setOpen("replay")}>
        Replay with…
      </Button>
      <Button disabled={!may} title={why} onClick={() => setOpen("case")}>
        Add to dataset…
      </Button>
      <Button disabled={!may} title={why} onClick={() => setOpen("review")}>
        Send to review…
      </Button>
      <Button onClick={() => setOpen("compare")}>Compare with…</Button>
      <Modal title="Replay with something else" open={open === "replay"} close={close} holds={replaying ? ASKING : undefined}>
        <Replay call={call} />
      </Modal>
      <Modal title="Add to a dataset" open={open === "case"} close={close}>
        <AddCase call={call} />
      </Modal>
      <Modal title="Send to review" open={open === "review"} close={close}>
        <SendToReview call={call} />
      </Modal>
      <Modal title="Compare with another call" open={open === "compare"} close={close}>
        <Other id={call.request_id || call.trace_id} />
      </Modal>
    </>
  );
}

function Other({ id }: { id: string }) {
  const navigate = useNavigate();
  const [other, setOther] = useState("");
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    void navigate({ to: "/traces/compare", search: { a: id, b: other.trim() } });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label>
        Request or trace id of the other
        <input value={other} onChange={(event) => setOther(event.target.value)} required spellCheck={false} placeholder="req_…" />
      </label>
      <div>
        <Button kind="main" type="submit">
          Compare
        </Button>
      </div>
    </form>
  );
}
