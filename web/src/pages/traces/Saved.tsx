import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { answer, api } from "../../api/client";
import { useMay } from "../../api/session";
import type { SavedSearch } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { Empty, Failure, Shown } from "../../parts/States";
import { savedQuery } from "./queries";

/** Searches with a name: everybody's who works with the project, `@name` on the command line as well. */
export function Saved({ q, search }: { q: string; search: (q: string) => void }) {
  const [open, setOpen] = useState(false);
  const saved = useQuery({ ...savedQuery, enabled: open });
  const use = (name: string) => {
    setOpen(false);
    search(`@${name}`);
  };
  return (
    <>
      <Button onClick={() => setOpen(true)}>Saved searches</Button>
      <Modal title="Saved searches" open={open} close={() => setOpen(false)}>
        <Shown query={saved}>{(found) => <List found={found} use={use} />}</Shown>
        <Save q={q} />
      </Modal>
    </>
  );
}

function List({ found, use }: { found: readonly SavedSearch[]; use: (name: string) => void }) {
  const queries = useQueryClient();
  const may = useMay("expert");
  const forget = useMutation({
    mutationFn: (name: string) => answer(api.DELETE("/api/v1/searches/{name}", { params: { path: { name } } })),
    onSuccess: (left) => queries.setQueryData(savedQuery.queryKey, left),
  });
  if (found.length === 0) {
    return (
      <Empty title="None yet" command='moat traces save slow "latency > 5s"'>
        Save the expression below, or one from the command line. Then <code>@slow</code> stands for it everywhere.
      </Empty>
    );
  }
  return (
    <ul className="stack" style={{ listStyle: "none", padding: 0 }}>
      {forget.error && <Failure error={forget.error} />}
      {found.map((one) => (
        <li key={one.name} className="row spread">
          <span style={{ minWidth: 0, overflowWrap: "anywhere" }}>
            <strong>@{one.name}</strong> <code>{one.expression}</code> <span className="muted small">by {one.actor}</span>
          </span>
          <span className="row">
            <Button onClick={() => use(one.name)}>Use</Button>
            {may && (
              <Button kind="plain" onClick={() => forget.mutate(one.name)} aria-label={`Forget @${one.name}`}>
                Forget
              </Button>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Save({ q }: { q: string }) {
  const queries = useQueryClient();
  const may = useMay("expert");
  const save = useMutation({
    mutationFn: (form: { name: string; expression: string }) => answer(api.POST("/api/v1/searches", { body: form })),
    onSuccess: (all) => queries.setQueryData(savedQuery.queryKey, all),
  });
  const submit = (event: SyntheticEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => {
      const value = form.get(name);
      return typeof value === "string" ? value.trim() : "";
    };
    save.mutate({ name: text("name").replace(/^@/, ""), expression: text("expression") });
  };
  if (!may) return <p className="muted">Saving needs the role expert.</p>;
  return (
    <form className="stack" onSubmit={submit}>
      <label>
        Expression
        <input name="expression" defaultValue={q} required spellCheck={false} />
      </label>
      <label>
        Name
        <input name="name" required pattern="@?[A-Za-z][A-Za-z0-9_\-]{0,63}" title="Letters, digits, - and _; a letter first" spellCheck={false} />
      </label>
      {save.error && <Failure error={save.error} />}
      <div className="row">
        <Button kind="main" type="submit" disabled={save.isPending}>
          Save
        </Button>
        <span role="status">{save.isSuccess && `@${save.variables.name} is saved.`}</span>
      </div>
    </form>
  );
}
