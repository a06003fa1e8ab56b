import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import type { Check, Checkup } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import { time } from "../../parts/format";
import { Empty, Failure, Loading } from "../../parts/States";
import { areas, summary } from "./checkup";
import styles from "./Doctor.module.css";
import type { DoctorSearch } from "./search";

const route = getRouteApi("/inside/settings/doctor");

/** One list of checks over the whole installation, each with what was found and what to do. */
export function Doctor() {
  const engineer = useMay("engineer");
  if (!engineer) return <Empty title="The doctor is for engineers">It names files of the server and variables of its environment.</Empty>;
  return <Examined />;
}

function Examined() {
  const search = route.useSearch();
  const providers = search.providers ?? false;
  const found = useQuery({
    queryKey: ["doctor", providers],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/doctor", { params: { query: { providers } }, signal })),
    staleTime: Infinity,
  });
  return (
    <div className="stack">
      <Head search={search} checkup={found.data} waiting={found.isFetching} again={() => void found.refetch()} />
      {found.isError && <Failure error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading what={providers ? "Looking, and asking providers" : "Looking"} />}
      {found.data && <Areas checkup={found.data} all={search.all ?? false} />}
    </div>
  );
}

interface HeadProps {
  search: DoctorSearch;
  checkup: Checkup | undefined;
  waiting: boolean;
  again: () => void;
}

function Head({ search, checkup, waiting, again }: HeadProps) {
  const navigate = useNavigate({ from: "/settings/doctor" });
  const put = (part: Partial<DoctorSearch>) => void navigate({ search: (before) => ({ ...before, ...part }), replace: true, resetScroll: false });
  return (
    <>
      <div className="row spread">
        <p role="status">{checkup ? `${summary(checkup)}. ${waiting ? "Looking again …" : `Looked at ${time(checkup.made_ns)}.`}` : ""}</p>
        <div className="row">
          <label className="row">
            <input type="checkbox" checked={search.all ?? false} onChange={(event) => put({ all: event.target.checked || undefined })} /> Show what is well too
          </label>
          <Button onClick={again} disabled={waiting}>
            Look again
          </Button>
          <Button onClick={() => put({ providers: true })} disabled={waiting || search.providers === true}>
            Ask providers too
          </Button>
        </div>
      </div>
      <p className="muted">
        Nothing is changed, and no secret is shown. Providers are asked only on request: one connection to each host, without a key, for five seconds at most. The
        same in a terminal:
      </p>
      <Command text={search.providers ? "moat doctor --providers" : "moat doctor"} />
    </>
  );
}

function Areas({ checkup, all }: { checkup: Checkup; all: boolean }) {
  const found = areas(checkup.checks, all);
  if (found.length === 0) return <Badge tone="good">Nothing needs to be done</Badge>;
  return found.map((area) => (
    <section key={area.name} className="panel stack" aria-label={area.name}>
      <h2>{area.name}</h2>
      <ul className={styles.checks}>
        {area.checks.map((check) => (
          <One key={check.name} check={check} />
        ))}
      </ul>
    </section>
  ));
}

const TONES: Record<Check["standing"], Tone> = { ok: "good", warning: "warn", error: "bad", unknown: "neutral" };

function One({ check }: { check: Check }) {
  return (
    <li className={styles.check}>
      <span>
        <Badge tone={TONES[check.standing]}>{check.standing}</Badge>
      </span>
      <div className={styles.said}>
        <p>
          <strong>{check.name}</strong>: <bdi>{check.found}</bdi>
        </p>
        <p className="muted small">
          <bdi>{check.looked_at}</bdi>
        </p>
        {check.remedy && <p>{check.remedy}</p>}
        {check.command && <Command text={check.command} />}
      </div>
    </li>
  );
}
