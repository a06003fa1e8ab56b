import { useQuery } from "@tanstack/react-query";

import type { EnvironmentRules, FreezeWindow } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { Facts } from "../../parts/Facts";
import { rulesQuery } from "./queries";

const AUTO: Record<EnvironmentRules["rules"]["auto"], string> = {
  never: "",
  merge: "the newest version, as soon as it is merged",
  verdict: "the newest version that is merged, as soon as every required suite has passed",
};

/** What an environment demands of a release before it serves it, as moat.yaml has it. */
export function Rules({ environment }: { environment: string }) {
  const rules = useQuery(rulesQuery);
  const found = rules.data?.find((one) => one.name === environment);
  if (!found) return null;
  const { require, approvals, freeze, auto, description } = found.rules;
  const free = require.length === 0 && approvals === 0 && freeze.length === 0;
  return (
    <section className="panel stack" aria-label={`Rules of ${environment}`}>
      <div className="row spread">
        <h2>Rules of {environment}</h2>
        {found.frozen && <Badge tone="warn">{found.frozen}</Badge>}
      </div>
      {description && <p className="muted small">{description}</p>}
      {free && <p>Whatever is sound may be released here.</p>}
      <Facts
        facts={[
          ["Suites that must pass", require.join(", ")],
          ["Approvals", approvals > 0 && `${approvals}, of people other than the author and whoever releases it`],
          ["Frozen", freeze.length > 0 && <Windows freeze={freeze} />],
          ["Released by itself", AUTO[auto]],
        ]}
      />
      <p className="muted small">They stand in moat.yaml. A rollback obeys none of them.</p>
    </section>
  );
}

function Windows({ freeze }: { freeze: readonly FreezeWindow[] }) {
  return (
    <ul style={{ paddingLeft: 18 }}>
      {freeze.map((one) => (
        <li key={inWords(one)}>{inWords(one)}</li>
      ))}
    </ul>
  );
}

/** `no changes over the weekend: fri, 16:00 to 24:00 Europe/Berlin` */
export function inWords({ reason, days, from, until, first, last, timezone }: FreezeWindow): string {
  const dates = first === last ? first : `${first ?? "…"} to ${last ?? "…"}`;
  const parts = [
    ...(days.length > 0 ? [days.join(", ")] : []),
    ...(dates ? [dates] : []),
    from === "00:00" && until === "24:00" ? (days.length > 0 || dates ? "all day" : "always") : `${from} to ${until}`,
  ];
  return `${reason}: ${parts.join(", ")} ${timezone}`;
}
