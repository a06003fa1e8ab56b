import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useMemo, useState } from "react";

import { answer, api } from "../../api/client";
import type { Found } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count, time } from "../../parts/format";
import { Empty, Failure, Loading } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import styles from "./Audit.module.css";
import type { AuditSearch } from "./routes";

const route = getRouteApi("/inside/settings/audit");
const PAGE = 200;

/** Who did what, newest first; and whether the log is whole. */
export function Audit() {
  const search = route.useSearch();
  const entries = useInfiniteQuery({
    queryKey: ["audit", search],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...search, limit: PAGE, ...(pageParam ? { before: String(pageParam) } : {}) };
      return answer(api.GET("/api/v1/audit", { params: { query }, signal }));
    },
    initialPageParam: 0,
    getNextPageParam: (page: Found[]) => (page.length < PAGE ? undefined : page.at(-1)?.entry.sequence),
  });
  const rows = useMemo(() => entries.data?.pages.flat() ?? [], [entries.data]);
  return (
    <div className="stack">
      <Verification />
      <Filter search={search} />
      {entries.isError && !entries.isFetchNextPageError && <Failure error={entries.error} retry={() => void entries.refetch()} />}
      {entries.isPending && <Loading />}
      {entries.data && rows.length === 0 && <Empty title="No entry matches">Entries are made by every change of what is served, of keys and accounts.</Empty>}
      {rows.length > 0 && <Table label="Audit log" rows={rows} columns={COLUMNS} id={(one) => String(one.entry.sequence)} height="65vh" more={entries} />}
    </div>
  );
}

const COLUMNS: Column<Found>[] = [
  { key: "sequence", header: "Number", kind: "number", cell: ({ entry }) => entry.sequence },
  { key: "at", header: "When", cell: ({ entry }) => time(entry.at_ns) },
  { key: "actor", header: "Who", kind: "cut", cell: ({ entry }) => <bdi title={entry.actor}>{entry.actor}</bdi> },
  { key: "action", header: "Did", cell: ({ entry }) => entry.action },
  { key: "subject", header: "To", kind: "cut", cell: ({ entry }) => entry.subject },
  { key: "reason", header: "Why", kind: "cut", cell: ({ content }) => (content ? content.reason : "erased") },
  { key: "detail", header: "Detail", kind: "cut", cell: ({ content }) => <Detail detail={content?.detail ?? {}} /> },
];

function Detail({ detail }: { detail: Record<string, unknown> }) {
  const text = Object.keys(detail).length > 0 ? JSON.stringify(detail) : "";
  return <code title={text}>{text}</code>;
}

function Filter({ search }: { search: AuditSearch }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState(search);
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
          {verify.data.problems.map((problem) => (
            <li key={JSON.stringify(problem)}>{JSON.stringify(problem)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
