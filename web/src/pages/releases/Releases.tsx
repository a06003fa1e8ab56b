import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { useState } from "react";

import type { Assignment, Drift, Release } from "../../api/schema";
import { statusQuery } from "../../api/serving";
import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { useReference } from "../../parts/useReference";
import { NewRelease } from "./NewRelease";
import { PlaceCard } from "./PlaceCard";
import { environmentsQuery, releasesQuery, rulesQuery } from "./queries";
import styles from "./Releases.module.css";

const route = getRouteApi("/inside/releases");
const NO_RELEASES: Release[] = [];

/** What every environment serves, side by side, with the way back. */
export function Releases() {
  const { q = "" } = route.useSearch();
  const assignments = useQuery(environmentsQuery);
  const releases = useQuery(releasesQuery());
  const status = useQuery(statusQuery);
  return (
    <div className="page">
      <Heading title="Releases" about="What each environment serves, who decided so and why.">
        <StartRelease />
      </Heading>
      <Shown query={assignments}>
        {(all) =>
          all.length === 0 ? (
            <NothingYet />
          ) : (
            <>
              <Find q={q} />
              <Prompts assignments={all} q={q} releases={releases.data ?? NO_RELEASES} drift={status.data?.drift ?? []} />
            </>
          )
        }
      </Shown>
    </div>
  );
}

function StartRelease() {
  const may = useMay("engineer");
  const [open, setOpen] = useState(false);
  if (!may) return null;
  return (
    <>
      <Button kind="main" onClick={() => setOpen(true)}>
        Release a version
      </Button>
      {open && <NewRelease close={() => setOpen(false)} />}
    </>
  );
}

function NothingYet() {
  const reference = useReference();
  const environment = useQuery(rulesQuery).data?.[0]?.name;
  return (
    <Empty title="Nothing is released yet" command={reference && environment && `moat release create ${reference} --to ${environment}`}>
      <p>
        A release is a version of a prompt that an environment serves. What is served, since when, by whom and on what evidence stands
        here, and one can go back with two clicks.
      </p>
    </Empty>
  );
}

function Find({ q }: { q: string }) {
  const navigate = route.useNavigate();
  return (
    <input
      type="search"
      aria-label="Find a prompt"
      placeholder="Find a prompt"
      value={q}
      onChange={(event) => void navigate({ to: "/releases", search: { q: event.target.value || undefined }, replace: true })}
      className={styles.find}
    />
  );
}

interface PromptsProps {
  assignments: readonly Assignment[];
  q: string;
  releases: readonly Release[];
  drift: readonly Drift[];
}

function Prompts({ assignments, q, releases, drift }: PromptsProps) {
  const wanted = q.toLowerCase();
  const names = [...new Set(assignments.map((one) => one.prompt))].filter((name) => name.toLowerCase().includes(wanted)).sort();
  if (names.length === 0) return <p className="panel">No prompt with “{q}” in its name is released.</p>;
  return names.map((name) => (
    <section key={name} className="stack" aria-label={name}>
      <h2 className={styles.name}>
        <Link to="/prompts/$" params={{ _splat: name }}>
          {name}
        </Link>
      </h2>
      <div className={styles.places}>
        {assignments
          .filter((one) => one.prompt === name)
          .map((one) => (
            <PlaceCard
              key={one.environment}
              assignment={one}
              releases={releases}
              drift={drift.filter((each) => each.environment === one.environment && each.prompt === name)}
            />
          ))}
      </div>
    </section>
  ));
}
