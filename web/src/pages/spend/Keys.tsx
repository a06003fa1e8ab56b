import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import type { KeyView } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { ago, time } from "../../parts/format";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { Head } from "./Head";
import { NewKey } from "./NewKey";
import { keysQuery } from "./queries";
import { Revoke } from "./Revoke";
import { Rotate } from "./Rotate";
import styles from "./Spend.module.css";

const route = getRouteApi("/inside/spend/keys");

/** Virtual keys: made, given a new secret, revoked. Their secrets are shown once and stored nowhere. */
export function Keys() {
  const may = useMay("admin");
  const keys = useQuery({ ...keysQuery, enabled: may });
  return (
    <div className="page">
      <Head title="Keys" about="What applications call with. Spending and limits are counted by them.">
        {may && <NewKey />}
      </Head>
      {may ? (
        <Shown query={keys}>{(found) => <Listed keys={found} />}</Shown>
      ) : (
        <p className="panel">Keys are shown to the role admin.</p>
      )}
    </div>
  );
}

type Act = { act: "rotate" | "revoke"; key: KeyView };

function Listed({ keys }: { keys: readonly KeyView[] }) {
  const { q = "", all = false } = route.useSearch();
  const navigate = useNavigate();
  const [act, setAct] = useState<Act | null>(null);
  if (keys.length === 0) {
    return (
      <Empty title="There is no key yet" command="moat keys create --name my-app --tenant acme">
        An application shows a key with each call; tenant, feature and models that the key fixes are those of its calls.
      </Empty>
    );
  }
  const wanted = q.toLowerCase();
  const found = keys
    .filter((key) => all || key.state === "active")
    .filter((key) => [key.name, key.id, key.tenant, key.feature, key.user, ...key.tags].join(" ").toLowerCase().includes(wanted));
  const search = (next: { q?: string; all?: boolean }) =>
    void navigate({ to: "/spend/keys", search: { q: q || undefined, all: all || undefined, ...next }, replace: true });
  return (
    <>
      <div className="row">
        <input
          type="search"
          aria-label="Find a key"
          placeholder="Name, id, tenant, user, tag"
          className={styles.find}
          value={q}
          onChange={(event) => search({ q: event.target.value || undefined })}
        />
        <label className={styles.check}>
          <input type="checkbox" checked={all} onChange={(event) => search({ all: event.target.checked || undefined })} /> Revoked and expired too
        </label>
      </div>
      <Table label="Keys" rows={found.toReversed()} columns={columns(setAct)} id={(key) => key.id} height="75vh" />
      {act?.act === "rotate" && <Rotate apiKey={act.key} close={() => setAct(null)} />}
      {act?.act === "revoke" && <Revoke apiKey={act.key} keys={keys} close={() => setAct(null)} />}
    </>
  );
}

const TONES: Record<KeyView["state"], Tone> = { active: "good", expired: "warn", revoked: "neutral" };

function columns(act: (act: Act) => void): Column<KeyView>[] {
  return [
    { key: "name", header: "Name", kind: "cut", sort: (key) => key.name, cell: (key) => <Name apiKey={key} /> },
    { key: "role", header: "Role", sort: (key) => key.role, cell: (key) => key.role },
    { key: "state", header: "State", sort: (key) => key.state, cell: (key) => <Badge tone={TONES[key.state]}>{key.state}</Badge> },
    { key: "fixes", header: "Fixes", kind: "cut", cell: (key) => fixes(key) || <span className="muted">nothing</span> },
    { key: "models", header: "Models", kind: "cut", cell: (key) => key.models.join(", ") || "all" },
    { key: "made", header: "Made", sort: (key) => key.created_ns, cell: (key) => <time title={time(key.created_ns)}>{ago(key.created_ns)}</time> },
    { key: "ends", header: "Ends", sort: (key) => key.expires_ns || Infinity, cell: (key) => (key.expires_ns ? time(key.expires_ns) : "never") },
    { key: "acts", header: "Change", cell: (key) => <Acts apiKey={key} act={act} /> },
  ];
}

function Name({ apiKey }: { apiKey: KeyView }) {
  return (
    <span className={styles.named}>
      <span>{apiKey.name}</span>
      <code className="muted">{apiKey.id}</code>
    </span>
  );
}

/** `tenant acme, feature chat` */
function fixes(key: KeyView): string {
  const named: [string, string][] = [
    ["tenant", key.tenant],
    ["feature", key.feature],
    ["user", key.user],
    ["environment", key.environment],
    ["data", key.data_class],
    ["tags", key.tags.join(" ")],
  ];
  return named
    .filter(([, value]) => value)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function Acts({ apiKey, act }: { apiKey: KeyView; act: (act: Act) => void }) {
  if (apiKey.state === "revoked") return null;
  return (
    <span className={styles.acts}>
      <Button onClick={() => act({ act: "rotate", key: apiKey })} aria-label={`Rotate ${apiKey.name || apiKey.id}`}>
        Rotate
      </Button>
      <Button kind="danger" onClick={() => act({ act: "revoke", key: apiKey })} aria-label={`Revoke ${apiKey.name || apiKey.id}`}>
        Revoke
      </Button>
    </span>
  );
}
