import { useQueries, useQuery } from "@tanstack/react-query";

import type { Release } from "../../api/schema";
import { Failure, Shown } from "../../parts/States";
import { clearanceQuery, rulesQuery } from "./queries";
import styles from "./Releases.module.css";
import { Standing } from "./Standing";

/** Of each environment: who approved the release for it, and what is missing before it may be served there. */
export function MayGo({ release }: { release: Release }) {
  const rules = useQuery(rulesQuery);
  const names = rules.data?.map((one) => one.name) ?? [];
  const found = useQueries({ queries: names.map((name) => clearanceQuery(release.content.name, name, release.id)) });
  return (
    <section className="panel stack" aria-label="Where it may go">
      <h2>Where it may go</h2>
      {rules.isError && <Failure error={rules.error} retry={() => void rules.refetch()} />}
      {names.length > 0 && (
        <div className={styles.places}>
          {found.map((query, index) => (
            <section key={names[index]} className="stack" style={{ gap: 6 }} aria-label={names[index]}>
              <h3>{names[index]}</h3>
              <Shown query={query}>{(clearance) => <Standing clearance={clearance} />}</Shown>
            </section>
          ))}
        </div>
      )}
    </section>
  );
}
