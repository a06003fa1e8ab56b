import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { KeyView } from "../../api/schema";
import { Button } from "../../parts/Button";
import { ago, count } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Failure, Loading } from "../../parts/States";
import styles from "./Spend.module.css";

interface RevokeProps {
  apiKey: KeyView;
  keys: readonly KeyView[];
  close: () => void;
}

/** End a key for good; calls under way end too. Who still calls with it is shown before. */
export function Revoke({ apiKey, keys, close }: RevokeProps) {
  const queries = useQueryClient();
  const [children, setChildren] = useState(false);
  const made = madeBy(keys, apiKey.id).filter((key) => key.state === "active").length;
  const revoke = useMutation({
    mutationFn: () => answer(api.DELETE("/api/v1/keys/{id}", { params: { path: { id: apiKey.id }, query: children ? { children: true } : {} } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    revoke.mutate();
  };
  return (
    <Modal title={`Revoke ${apiKey.name || apiKey.id}`} open close={close}>
      {revoke.data ? (
        <>
          <p role="status" className={styles.done}>
            {apiKey.name || apiKey.id} is revoked: its calls are refused.
          </p>
          <div>
            <Button onClick={close} autoFocus>
              Close
            </Button>
          </div>
        </>
      ) : (
        <form className="stack" onSubmit={submit}>
          <p>Calls with it are refused from now on, and those under way end. It cannot be taken back.</p>
          <InUse id={apiKey.id} />
          {made > 0 && (
            <label className={styles.check}>
              <input type="checkbox" checked={children} onChange={(event) => setChildren(event.target.checked)} /> Also the {count(made)}{" "}
              {made === 1 ? "key" : "keys"} that it made
            </label>
          )}
          {revoke.isError && <Failure error={revoke.error} />}
          <div className="row">
            <Button kind="danger" type="submit" disabled={revoke.isPending}>
              Revoke it
            </Button>
            <Button onClick={close} data-autofocus>
              Leave it as it is
            </Button>
          </div>
        </form>
      )}
    </Modal>
  );
}

/** Who calls with the key. */
function InUse({ id }: { id: string }) {
  const calls = useQuery({
    queryKey: ["usage", "key", id],
    queryFn: async ({ signal }) => {
      const since_ns = (Date.now() - 86_400_000) * 1e6;
      const [used, last] = await Promise.all([
        answer(api.GET("/api/v1/usage", { params: { query: { key: id, since_ns } }, signal })),
        answer(api.GET("/api/v1/traces", { params: { query: { key: id, limit: 1 } }, signal })),
      ]);
      return { calls: used[0]?.calls ?? 0, last_ns: last[0]?.started_ns ?? 0 };
    },
  });
  if (calls.isError) return null;
  if (!calls.data) return <Loading what="Looking who calls with it" />;
  const { calls: found, last_ns } = calls.data;
  if (!last_ns) return <p>Nobody has called with it.</p>;
  return (
    <p>
      {found > 0 ? <strong className="warn">! {count(found)} calls in the last 24 hours</strong> : "No call in the last 24 hours"}, the last one{" "}
      {ago(last_ns)}.
    </p>
  );
}

/** The keys that a key made, and what those made. */
export function madeBy(keys: readonly KeyView[], id: string): KeyView[] {
  const own = keys.filter((key) => key.parent === id);
  return [...own, ...own.flatMap((key) => madeBy(keys, key.id))];
}
