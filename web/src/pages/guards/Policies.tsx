import { useQuery } from "@tanstack/react-query";

import type { GuardView, PolicyView } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { policiesQuery } from "./queries";

/** The policies as they apply: files beside the prompts, changed as prompts are. */
export function Policies() {
  const policies = useQuery(policiesQuery);
  return (
    <Shown query={policies}>
      {(found) =>
        found.length === 0 ? (
          <Empty title="There is no policy" command="moat guard list">
            A policy is a file in <code>policies/</code>, or stands under <code>policies</code> in moat.yaml. <code>moat init</code> writes one to begin with.
          </Empty>
        ) : (
          <div className="stack">
            {found.map((policy) => (
              <Policy key={policy.id} policy={policy} />
            ))}
          </div>
        )
      }
    </Shown>
  );
}

function Policy({ policy }: { policy: PolicyView }) {
  const when = Object.entries(policy.when).filter(([, values]) => values.length > 0);
  return (
    <section className="panel stack" aria-label={policy.name}>
      <div className="row spread">
        <h2>{policy.name}</h2>
        <code>{policy.place}</code>
      </div>
      {policy.description && <p>{policy.description}</p>}
      <p className="muted">
        {when.length === 0 ? "About all calls" : `About calls of ${when.map(([name, values]) => `${name} ${values.join(" or ")}`).join(", ")}`}
        {" · "}
        {policy.tests} examples beside it · <code>{policy.id}</code>
      </p>
      <Table label={`Guards of ${policy.name}`} rows={policy.guards} columns={COLUMNS} id={(one) => one.name} />
    </section>
  );
}

const COLUMNS: Column<GuardView>[] = [
  { key: "name", header: "Guard", cell: (one) => one.name, sort: (one) => one.name },
  { key: "use", header: "Detector", cell: (one) => one.use },
  { key: "on", header: "Looks at", cell: (one) => one.on.join(", ") },
  { key: "action", header: "Does", cell: (one) => <Badge tone={one.action === "block" ? "bad" : "neutral"}>{one.action}</Badge> },
  { key: "threshold", header: "From score", kind: "number", cell: (one) => one.threshold },
  { key: "on_error", header: "When it fails", cell: (one) => one.on_error },
  { key: "timeout", header: "Asks", cell: (one) => (one.asks_model ? `a model, ${one.timeout} s at most` : "nobody") },
  { key: "place", header: "Stands at", cell: (one) => <code>{one.place}</code> },
];
