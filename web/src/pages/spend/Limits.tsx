import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useNavigate } from "@tanstack/react-router";

import type { LimitRule, LimitState } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { count, money, percent, time } from "../../parts/format";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { ChangeLimit, isStated } from "./ChangeLimit";
import { Head } from "./Head";
import { limitsQuery, rulesQuery } from "./queries";
import type { LimitAct } from "./search";
import { amount, usedShare, whose } from "./shown";
import styles from "./Spend.module.css";
import { Spikes } from "./Spikes";
import { PLAYGROUND } from "./wish";

const route = getRouteApi("/inside/spend/limits");

/** Budgets and rates: how full they are, where they stand, and spending that was cut off. */
export function Limits() {
  const { q = "", act, limit = "" } = route.useSearch();
  const limits = useQuery(limitsQuery);
  const rules = useQuery(rulesQuery);
  const may = useMay("engineer");
  return (
    <div className="page">
      <Head title="Budgets and limits" about="How much of each is used up in its present window.">
        {may && !act && <Change act="new">New limit</Change>}
      </Head>
      {act ? (
        <Shown query={rules}>{(found) => <ChangeLimit act={act} limit={limit} rules={found} counters={limits.data ?? []} />}</Shown>
      ) : (
        <>
          <Spikes />
          <Shown query={limits}>{(found) => <Counters counters={found} q={q} />}</Shown>
          <Shown query={rules}>{(found) => <Rules rules={found} may={may} />}</Shown>
        </>
      )}
    </div>
  );
}

/** `$3.20 of $5.00` */
function left({ measure, amount: all, used, held }: LimitState): string {
  const free = Math.max(0, all - used - held);
  return `${measure === "money" ? money(free) : count(free)} of ${amount(measure, all)}`;
}

function Counters({ counters, q }: { counters: readonly LimitState[]; q: string }) {
  const navigate = useNavigate();
  const wanted = q.toLowerCase();
  const found = counters.filter((one) => `${one.limit} ${whose(one.of)}`.toLowerCase().includes(wanted));
  const sorted = [...found].sort((a, b) => usedShare(b) - usedShare(a));
  return (
    <section className="stack" aria-label="Used up">
      <div className="row spread">
        <h2>Used up, the fullest first</h2>
        <input
          type="search"
          aria-label="Find a limit"
          placeholder="Name of a limit, tenant, user, key"
          className={styles.find}
          value={q}
          onChange={(event) => void navigate({ to: "/spend/limits", search: { q: event.target.value || undefined }, replace: true })}
        />
      </div>
      {counters.length === 0 ? (
        <Empty title="Nothing is counted yet">
          Limits stand under <code>limits</code> in moat.yaml, and a counter begins with the first call that it is about.
        </Empty>
      ) : (
        <Table label="Limits, the fullest first" rows={sorted} columns={COUNTERS} id={(row) => row.limit + JSON.stringify(row.of)} height="60vh" />
      )}
    </section>
  );
}

const COUNTERS: Column<LimitState>[] = [
  { key: "limit", header: "Limit", cell: (row) => row.limit, sort: (row) => row.limit },
  { key: "of", header: "Whose", kind: "cut", cell: (row) => whose(row.of), sort: (row) => whose(row.of) },
  { key: "share", header: "Used", cell: (row) => <Full state={row} />, sort: usedShare },
  { key: "left", header: "Left", kind: "number", cell: (row) => left(row) },
  { key: "window", header: "Each", cell: (row) => row.window || (row.measure === "concurrent" ? "moment" : "call") },
  { key: "pace", header: "At this pace", cell: (row) => <Ahead state={row} /> },
  { key: "resets", header: "Begins anew", cell: (row) => (row.resets_ns ? time(row.resets_ns).slice(0, 16) : "–") },
  { key: "action", header: "When full", cell: (row) => row.action },
];

function Full({ state }: { state: LimitState }) {
  const share = usedShare(state);
  return (
    <span className={styles.share} title={state.held ? `${amount(state.measure, state.held)} held by calls under way` : undefined}>
      <span className={styles.track} data-full={share >= 1} aria-hidden="true">
        <span style={{ width: `${Math.min(1, share) * 100}%` }} />
      </span>
      <span className="number">{percent(share, 0)}</span>
    </span>
  );
}

/** Where it comes to when its window goes on as it went so far. */
function Ahead({ state: { pace, amount: all } }: { state: LimitState }) {
  if (!pace) return "–";
  if (pace.full_ns) return <Badge tone="warn">full {time(pace.full_ns).slice(0, 16)}</Badge>;
  return <span className="muted">{percent(pace.projected / all, 0)} at the end</span>;
}

const RULES: Column<LimitRule>[] = [
  { key: "limit", header: "Limit", cell: (row) => row.limit },
  { key: "per", header: "One for each", cell: (row) => row.per.join(", ") || "everybody together" },
  { key: "match", header: "Only", cell: (row) => Object.entries(row.match).map(([scope, values]) => `${scope} ${values.join(" or ")}`).join(", ") || "all calls" },
  { key: "amount", header: "Amount", kind: "number", cell: (row) => amount(row.measure, row.amount) },
  { key: "window", header: "Each", cell: (row) => row.window || (row.measure === "concurrent" ? "moment" : "call") },
  { key: "action", header: "When full", cell: (row) => row.action },
  { key: "warn", header: "Warns at", cell: (row) => row.warn_at.map((share) => percent(share, 0)).join(", ") || "–" },
  { key: "place", header: "Stands in", cell: (row) => <code>{row.place}</code> },
];

const ACTS: Column<LimitRule> = {
  key: "act",
  header: "Change",
  cell: (row) =>
    isStated(row) ? (
      <span className={styles.acts}>
        <Change act="edit" limit={row.limit}>
          Edit
        </Change>
        {row.limit !== PLAYGROUND && (
          <Change act="remove" limit={row.limit}>
            Remove
          </Change>
        )}
      </span>
    ) : (
      <span className="muted small">by the environment</span>
    ),
};

function Change({ act, limit, children }: { act: LimitAct; limit?: string; children: string }) {
  return (
    <Link to="/spend/limits" search={{ act, limit }} className="button" aria-label={limit ? `${children} ${limit}` : undefined}>
      {children}
    </Link>
  );
}

function Rules({ rules, may }: { rules: readonly LimitRule[]; may: boolean }) {
  return (
    <section className="stack" aria-label="Where they stand">
      <h2>Where they stand</h2>
      {rules.length === 0 ? (
        <Empty title="There are no limits" command="moat config check">
          <p>
            Write them under <code>limits</code> in moat.yaml: a name, an amount of <code>money</code>, <code>tokens</code>, <code>requests</code>{" "}
            or calls at once (<code>concurrent</code>), a window, and one counter <code>per</code> key, tenant, feature, user, model or environment.
          </p>
        </Empty>
      ) : (
        <>
          <p className="muted">
            Limits are changed in the file, like prompts: a change is a proposal, and the running server takes it up once it is merged.
            {!may && " Proposing one needs the role engineer."}
          </p>
          <Table label="Limits as they are stated" rows={rules} columns={may ? [...RULES, ACTS] : RULES} id={(row) => row.limit} />
        </>
      )}
    </section>
  );
}
