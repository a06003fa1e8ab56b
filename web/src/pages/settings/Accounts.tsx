import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useRef, useState } from "react";

import { answer, api } from "../../api/client";
import type { AccountView, Invited } from "../../api/schema";
import { ROLES, type Role, useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import { time } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Failure, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import styles from "./Accounts.module.css";
import { accountsQuery } from "./queries";

const MEANINGS: Record<Role, string> = {
  viewer: "looks at everything",
  expert: "also gives opinions, tries prompts, proposes changes",
  engineer: "also changes what is served",
  admin: "also keys, accounts, the audit log",
};

/** People who may sign in, and as what. */
export function Accounts() {
  const admin = useMay("admin");
  return admin ? <Listed /> : <p className="panel">Accounts are shown to the role admin.</p>;
}

function Listed() {
  const queries = useQueryClient();
  const [invited, setInvited] = useState<Invited | null>(null);
  const [asked, ask] = useState<AccountView | null>(null);
  const accounts = useQuery(accountsQuery);
  const again = () => queries.invalidateQueries({ queryKey: ["accounts"] });
  const change = useMutation({
    mutationFn: ({ id, ...body }: { id: string; role?: Role; disabled?: boolean }) =>
      answer(api.PATCH("/api/v1/accounts/{id}", { params: { path: { id } }, body })),
    onSettled: again,
  });
  const invite = useMutation({
    mutationFn: (id: string) => answer(api.POST("/api/v1/accounts/{id}/invite", { params: { path: { id } } })),
    onSuccess: setInvited,
    onSettled: again,
  });
  const columns: Column<AccountView>[] = [
    { key: "email", header: "E-mail", cell: (one) => one.email, sort: (one) => one.email },
    { key: "name", header: "Name", cell: (one) => one.name },
    { key: "role", header: "Role", cell: (one) => <RoleOf account={one} change={(role) => change.mutateAsync({ id: one.id, role })} /> },
    { key: "state", header: "State", cell: (one) => <State account={one} /> },
    { key: "created", header: "Since", cell: (one) => time(one.created_ns), sort: (one) => one.created_ns },
    {
      key: "do",
      header: "Change",
      cell: (one) => (
        <span className="row">
          <Button onClick={() => (one.disabled_ns ? change.mutate({ id: one.id, disabled: false }) : ask(one))}>
            {one.disabled_ns ? "Enable" : "Disable"}
          </Button>
          <Button onClick={() => invite.mutate(one.id)}>New link</Button>
        </span>
      ),
    },
  ];
  return (
    <div className="stack">
      <Add
        done={(made) => {
          setInvited(made);
          void again();
        }}
      />
      {invited && <Link invited={invited} />}
      {(change.error ?? invite.error) && <Failure error={change.error ?? invite.error} />}
      {asked && (
        <Disable account={asked} done={() => change.mutateAsync({ id: asked.id, disabled: true })} close={() => ask(null)} />
      )}
      <Shown query={accounts}>{(found) => <Table label="Accounts" rows={found} columns={columns} id={(one) => one.id} />}</Shown>
    </div>
  );
}

interface RoleProps {
  account: AccountView;
  change: (role: Role) => Promise<unknown>;
}

/** A role is given by a button: walking through the list with the arrow keys chooses only. */
function RoleOf({ account, change }: RoleProps) {
  const list = useRef<HTMLSelectElement>(null);
  const [chosen, choose] = useState<Role>();
  const [busy, setBusy] = useState(false);
  const role = chosen ?? account.role;
  const finish = () => {
    choose(undefined);
    setBusy(false);
    list.current?.focus();
  };
  const give = () => {
    setBusy(true);
    // What went wrong stands above the table.
    change(role).then(finish, finish);
  };
  return (
    <span className="row">
      <select ref={list} aria-label={`Role of ${account.email}`} value={role} onChange={(event) => choose(event.target.value as Role)}>
        {ROLES.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
      {role !== account.role && (
        <>
          <Button kind="main" onClick={give} disabled={busy}>
            Make {role}
          </Button>
          <Button kind="plain" onClick={finish} disabled={busy}>
            Leave
          </Button>
        </>
      )}
    </span>
  );
}

interface DisableProps {
  account: AccountView;
  done: () => Promise<unknown>;
  close: () => void;
}

function Disable({ account, done, close }: DisableProps) {
  const disable = useMutation({ mutationFn: done, onSuccess: close });
  return (
    <Modal title="Disable an account" open close={close}>
      <p>
        <bdi>{account.email}</bdi> is signed out everywhere at once, and cannot sign in until somebody enables the account again. What was done under
        this name stays.
      </p>
      {disable.isError && <Failure error={disable.error} />}
      <div className="row">
        <Button kind="danger" onClick={() => disable.mutate()} disabled={disable.isPending} data-autofocus>
          Disable it
        </Button>
        <Button onClick={close}>Leave it as it is</Button>
      </div>
    </Modal>
  );
}

function State({ account }: { account: AccountView }) {
  if (account.disabled_ns) return <Badge tone="bad">disabled</Badge>;
  return account.ways.length > 0 ? <Badge tone="good">{account.ways.join(", ")}</Badge> : <Badge tone="warn">invited</Badge>;
}

function Link({ invited }: { invited: Invited }) {
  return (
    <div className="panel stack" role="status">
      <p>
        Hand this link to <bdi>{invited.account.email}</bdi>, and to nobody else. It works once, until {time(invited.expires_ns)}, and is shown this once.
      </p>
      <Command text={location.origin + invited.link} />
    </div>
  );
}

function Add({ done }: { done: (made: Invited) => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const add = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/accounts", { body: { email, role } })),
    onSuccess: (made) => {
      setEmail("");
      done(made);
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <form className={`panel row ${styles.add}`} onSubmit={submit}>
      <label>
        E-mail
        <input type="email" required value={email} onChange={(event) => setEmail(event.target.value)} />
      </label>
      <label>
        Role
        <select value={role} onChange={(event) => setRole(event.target.value as Role)}>
          {ROLES.map((one) => (
            <option key={one} value={one}>
              {one}: {MEANINGS[one]}
            </option>
          ))}
        </select>
      </label>
      <Button kind="main" type="submit" disabled={add.isPending}>
        Add
      </Button>
      {add.isError && <Failure error={add.error} />}
    </form>
  );
}
