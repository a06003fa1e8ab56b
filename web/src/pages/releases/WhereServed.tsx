import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { Assignment, Release } from "../../api/schema";
import { duration, percent, time } from "../../parts/format";
import { type Column, Table } from "../../parts/Table";
import { person, STRATEGIES } from "./names";
import { environmentsQuery, historyQuery, share } from "./queries";

/** One stretch of time in which an environment served the release. */
interface Stretch {
  assignment: Assignment;
  /** Of the users, or of the calls that were copied. */
  part: string;
  /** 0: it is served still. */
  until_ns: number;
}

const COLUMNS: Column<Stretch>[] = [
  {
    key: "environment",
    header: "Environment",
    cell: ({ assignment: { prompt, environment } }) => (
      <Link to="/releases/served" search={{ prompt, environment }}>
        {environment}
      </Link>
    ),
  },
  { key: "since", header: "Since", cell: (row) => time(row.assignment.created_ns) },
  { key: "until", header: "Until", cell: (row) => (row.until_ns ? time(row.until_ns) : "now") },
  { key: "for", header: "For", kind: "number", cell: (row) => (row.until_ns ? duration(row.until_ns - row.assignment.created_ns) : "") },
  { key: "how", header: "How", cell: (row) => STRATEGIES[row.assignment.strategy] },
  { key: "part", header: "Share", kind: "number", cell: (row) => row.part },
  { key: "who", header: "Who", cell: (row) => person(row.assignment.actor) },
  { key: "why", header: "Why", kind: "cut", cell: (row) => row.assignment.reason },
];

/** Where a release was served, and when, the newest first. */
export function WhereServed({ release }: { release: Release }) {
  const { name } = release.content;
  const environments = useQuery({
    ...environmentsQuery,
    select: (all) => all.filter((one) => one.prompt === name).map((one) => one.environment),
  });
  const histories = useQueries({ queries: (environments.data ?? []).map((environment) => historyQuery(name, environment)) });
  const found = histories.flatMap((history) => stretches(history.data ?? [], release.id));
  return (
    <section className="panel stack" aria-label="Where it was served">
      <h2>Where it was served</h2>
      {found.length === 0 ? (
        <p className="muted">Nowhere yet.</p>
      ) : (
        <Table
          label="Times it was served"
          rows={found}
          columns={COLUMNS}
          id={({ assignment }) => `${assignment.environment} ${assignment.sequence}`}
        />
      )}
    </section>
  );
}

/** Of a history, newest first, the stretches in which a release was served. */
export function stretches(history: readonly Assignment[], release: string): Stretch[] {
  return history.flatMap((assignment, index) => {
    const part = partOf(assignment, release);
    return part ? [{ assignment, part, until_ns: history[index - 1]?.created_ns ?? 0 }] : [];
  });
}

function partOf(assignment: Assignment, release: string): string {
  const arm = assignment.arms.find((one) => one.release === release);
  if (arm) return percent(share(assignment, arm), 0);
  return assignment.shadow?.release === release ? "shadow" : "";
}
