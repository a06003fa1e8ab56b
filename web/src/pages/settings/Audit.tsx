import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useMemo, useState } from "react";

import { answer, api } from "../../api/client";
import type { Found, Verification as Checked } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Facts } from "../../parts/Facts";
import { count, time } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Modal } from "../../parts/Modal";
import { Empty, Failure, Loading } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { keysQuery } from "../spend/queries";
import styles from "./Audit.module.css";
import { accountsQuery, auditQuery } from "./queries";
import type { AuditSearch } from "./search";

const route = getRouteApi("/inside/settings/audit");

/** Who did what, newest first; and whether the log is whole. */
export function Audit() {
  const admin = useMay("admin");
  return admin ? <Log /> : <p className="panel">The audit log is shown to the role admin.</p>;
}

function Log() {
  const search = route.useSearch();
  const names = useNames();
  const [asked, ask] = useState<Found | null>(null);
  const entries = useInfiniteQuery(auditQuery(search));
  const rows = useMemo(() => entries.data?.pages.flat() ?? [], [entries.data]);
  return (
    <div className="stack">
      <Verification />
      <Filter search={search} />
      {entries.isError && !entries.isFetchNextPageError && <Failure error={entries.error} retry={() => void entries.refetch()} />}
      {entries.isPending && <Loading />}
      {entries.data && rows.length === 0 && <Empty title="No entry matches">Entries are made by every change of what is served, of keys and accounts.</Empty>}
      {rows.length > 0 && <Table label="Audit log" rows={rows} columns={columns(names, ask)} id={(one) => String(one.entry.sequence)} height="65vh" more={entries} />}
      {asked && <One found={asked} names={names} close={() => ask(null)} />}
    </div>
  );
}

type Names = ReadonlyMap<string, string>;

/** What ids of accounts and keys are called that are still there. */
function useNames(): Names {
  const accounts = useQuery(accountsQuery).data;
  const keys = useQuery(keysQuery).data;
  return useMemo(
    () => new Map([...(accounts ?? []).map((one) => [one.id, one.email] as const), ...(keys ?? []).map((one) => [one.id, one.name] as const)]),
    [accounts, keys],
  );
}

const columns = (names: Names, ask: (found: Found) => void): Column<Found>[] => [
  { key: "sequence", header: "Number", kind: "number", cell: ({ entry }) => entry.sequence },
  { key: "at", header: "When", cell: ({ entry }) => time(entry.at_ns) },
  { key: "actor", header: "Who", kind: "cut", cell: ({ entry }) => <bdi>{entry.actor}</bdi> },
  { key: "action", header: "Did", cell: ({ entry }) => entry.action },
  { key: "subject", header: "To", kind: "cut", cell: ({ entry }) => <Subject subject={entry.subject} names={names} /> },
  { key: "reason", header: "Why", kind: "cut", cell: ({ content }) => (content ? <bdi>{content.reason}</bdi> : "erased") },
  {
    key: "detail",
    header: "Detail",
    cell: (found) => (
      <Button kind="plain" aria-label={`Show entry ${found.entry.sequence}`} onClick={() => ask(found)}>
        Show
      </Button>
    ),
  },
];

function Subject({ subject, names }: { subject: string; names: Names }) {
  const name = names.get(subject);
  if (!name) return <bdi>{subject}</bdi>;
  return (
    <>
      <bdi>{name}</bdi> <code className="muted">{subject}</code>
    </>
  );
}

/** All of one entry: in the table long texts are cut. */
function One({ found: { entry, content }, names, close }: { found: Found; names: Names; close: () => void }) {
  const detail = content?.detail ?? {};
  return (
    <Modal title={`Entry ${entry.sequence}`} open close={close}>
      <Facts
        facts={[
          ["When", time(entry.at_ns)],
          ["Who", <bdi key="who">{entry.actor}</bdi>],
          ["Did", entry.action],
          ["To", <Subject key="to" subject={entry.subject} names={names} />],
          ["Why", content ? <bdi key="why">{content.reason}</bdi> : "Erased, with its detail"],
          ["Digest", <code key="digest">{entry.digest}</code>],
        ]}
      />
      {Object.keys(detail).length > 0 && (
        <section className="stack" aria-label="Detail">
          <h3>Detail</h3>
          <Json value={detail} />
        </section>
      )}
    </Modal>
  );
}

function Filter({ search }: { search: AuditSearch }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState(search);
  const [before, setBefore] = useState(search);
  // "Back" and a link change the filter too.
  if (before !== search) {
    setBefore(search);
    setTyped(search);
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void navigate({ to: "/settings/audit", search: typed });
  };
  const field = (name: keyof AuditSearch, label: string) => (
    <label>
      {label}
      <input type="search" value={typed[name] ?? ""} onChange={(event) => setTyped({ ...typed, [name]: event.target.value || undefined })} />
    </label>
  );
  return (
    <form className={`row ${styles.filter}`} onSubmit={submit}>
      {field("actor", "Who")}
      {field("action", "Did (key, key.create)")}
      {field("subject", "To")}
      <Button type="submit">Filter</Button>
    </form>
  );
}

/** What is wrong, said of an entry or of the log. */
const KINDS: Record<Checked["problems"][number]["kind"], string> = {
  edited: "is not what was written",
  missing: "lacks what stood before it",
  reordered: "stands in another place",
  cut: "ends too early",
  content: "has another reason or detail than was written",
  unguarded: "can be changed without a trace",
};

function Verification() {
  const verify = useMutation({ mutationFn: () => answer(api.GET("/api/v1/audit/verification")) });
  return (
    <div className="row">
      <Button onClick={() => verify.mutate()} disabled={verify.isPending}>
        {verify.isPending ? "Verifying …" : "Verify the whole log"}
      </Button>
      <span role="status">
        {verify.data?.count === 0 && (
          <Badge tone="good">
            whole: {count(verify.data.entries)} entries, {count(verify.data.anchors)} anchors
          </Badge>
        )}
        {verify.data && verify.data.count > 0 && <Badge tone="bad">{count(verify.data.count)} problems</Badge>}
      </span>
      {verify.isError && <Failure error={verify.error} />}
      {verify.data && verify.data.count > 0 && (
        <ul>
          {verify.data.problems.map(({ sequence, kind, what }) => (
            <li key={`${sequence} ${kind} ${what}`}>
              <strong>{sequence ? `Entry ${sequence}` : "The log"}</strong> {KINDS[kind]}: {what}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
