import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { KeyView } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { Failure } from "../../parts/States";
import { SecretShown, SHOWN_ONCE } from "./SecretShown";

const OVERLAPS = { "86400": "24 hours", "3600": "an hour", "604800": "7 days", "0": "no time: it ends at once" } as const;
type Overlap = keyof typeof OVERLAPS;

/** A new secret for the same key: id, limits and history stay. */
export function Rotate({ apiKey, close }: { apiKey: KeyView; close: () => void }) {
  const queries = useQueryClient();
  const [overlap, setOverlap] = useState<Overlap>("86400");
  const rotate = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/keys/{id}/rotate", { params: { path: { id: apiKey.id } }, body: { overlap: Number(overlap) } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    rotate.mutate();
  };
  return (
    <Modal title={`New secret for ${apiKey.name || apiKey.id}`} open close={close} holds={rotate.data && SHOWN_ONCE}>
      {rotate.data ? (
        <SecretShown secret={rotate.data.secret} close={close} />
      ) : (
        <form className="stack" onSubmit={submit}>
          <p>The key keeps its id, limits and history. Its old secret goes on working for a while, so that every instance can change over.</p>
          <label>
            The old secret works for
            <select value={overlap} onChange={(event) => setOverlap(event.target.value as Overlap)}>
              {(["0", "3600", "86400", "604800"] as const).map((one) => (
                <option key={one} value={one}>
                  {OVERLAPS[one]}
                </option>
              ))}
            </select>
          </label>
          {rotate.isError && <Failure error={rotate.error} />}
          <div className="row">
            <Button kind="main" type="submit" disabled={rotate.isPending} data-autofocus>
              Make a new secret
            </Button>
            <Button onClick={close}>Leave it as it is</Button>
          </div>
        </form>
      )}
    </Modal>
  );
}
