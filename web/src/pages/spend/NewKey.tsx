import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { KeyFields } from "../../api/schema";
import { modelsQuery } from "../../api/serving";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { Failure } from "../../parts/States";
import { SecretShown, SHOWN_ONCE } from "./SecretShown";

const ROLES = {
  app: "calls models, fetches prompts, sends traces",
  viewer: "looks at everything",
  expert: "also gives opinions and tries prompts",
  engineer: "also changes what is served",
  admin: "everything",
} as const;

type Role = keyof typeof ROLES;

const DAY_MS = 86_400_000;

/** Make a key for an application or a program. */
export function NewKey() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button kind="main" onClick={() => setOpen(true)}>
        Make a key
      </Button>
      {open && <Form close={() => setOpen(false)} />}
    </>
  );
}

const EMPTY = { name: "", role: "app" as Role, tenant: "", feature: "", environment: "", models: [] as string[], days: 0 };
type Wanted = typeof EMPTY;

/** What the API is asked: fields that say nothing are left out. */
export function fieldsOf(wanted: Wanted, now_ms: number): KeyFields {
  const { name, role, models, days } = wanted;
  const texts = Object.fromEntries((["tenant", "feature", "environment"] as const).flatMap((field) => (wanted[field] ? [[field, wanted[field]]] : [])));
  return { name, role, ...texts, ...(models.length ? { models } : {}), ...(days ? { expires_ns: (now_ms + days * DAY_MS) * 1e6 } : {}) };
}

function Form({ close }: { close: () => void }) {
  const queries = useQueryClient();
  const [wanted, setWanted] = useState<Wanted>(EMPTY);
  const make = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/keys", { body: fieldsOf(wanted, Date.now()) })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Modal title="Make a key" open close={close} holds={make.data && SHOWN_ONCE}>
      {make.data ? (
        <SecretShown secret={make.data.secret} close={close} />
      ) : (
        <form className="stack" onSubmit={submit}>
          <Fields wanted={wanted} set={setWanted} />
          {make.isError && <Failure error={make.error} />}
          <div className="row">
            <Button kind="main" type="submit" disabled={make.isPending}>
              Make it
            </Button>
            <Button onClick={close}>Not now</Button>
          </div>
        </form>
      )}
    </Modal>
  );
}

function Fields({ wanted, set }: { wanted: Wanted; set: (wanted: Wanted) => void }) {
  const models = useQuery(modelsQuery);
  return (
    <>
      <label>
        Name: what it is for
        <input value={wanted.name} onChange={(event) => set({ ...wanted, name: event.target.value })} required maxLength={256} data-autofocus />
      </label>
      <label>
        Role
        <select value={wanted.role} onChange={(event) => set({ ...wanted, role: event.target.value as Role })}>
          {(Object.keys(ROLES) as Role[]).map((role) => (
            <option key={role} value={role}>
              {role}: {ROLES[role]}
            </option>
          ))}
        </select>
      </label>
      {(["tenant", "feature", "environment"] as const).map((field) => (
        <label key={field}>
          <span>
            Only this {field} <span className="muted">(may be left out)</span>
          </span>
          <input value={wanted[field]} onChange={(event) => set({ ...wanted, [field]: event.target.value })} maxLength={256} />
        </label>
      ))}
      <label>
        <span>
          Only these models <span className="muted">(none chosen: all)</span>
        </span>
        <select
          multiple
          size={Math.min(4, Math.max(2, models.data?.length ?? 2))}
          value={wanted.models}
          onChange={(event) => set({ ...wanted, models: [...event.target.selectedOptions].map((option) => option.value) })}
        >
          {models.data?.map((model) => <option key={model}>{model}</option>)}
        </select>
      </label>
      <label>
        <span>
          Days until it ends <span className="muted">(0: never)</span>
        </span>
        <input type="number" min={0} max={3650} value={wanted.days} onChange={(event) => set({ ...wanted, days: event.target.valueAsNumber || 0 })} />
      </label>
    </>
  );
}
