import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import type { Assignment, Release } from "../../api/schema";
import { statusQuery } from "../../api/serving";
import { Badge } from "../../parts/Badge";
import { ago, time } from "../../parts/format";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { useReference } from "../../parts/useReference";
import { ArmCharts } from "./ArmCharts";
import { Arms } from "./Arms";
import { By } from "./By";
import { Drifts } from "./Drifts";
import { EvidenceBadges } from "./Evidence";
import { History } from "./History";
import { STRATEGIES } from "./names";
import { historyQuery, newRelease, releasesQuery } from "./queries";
import { Rollback } from "./Rollback";
import { Rules } from "./Rules";
import { Steer } from "./Steer";

const route = getRouteApi("/inside/releases/served");

/** What one environment serves of one prompt: its rollout, how both arms do, and all that was served before. */
export function Served() {
  const { act, ...search } = route.useSearch();
  const { prompt, environment } = search;
  const navigate = route.useNavigate();
  const history = useQuery({ ...historyQuery(prompt, environment), enabled: prompt !== "" && environment !== "" });
  const releases = useQuery(releasesQuery(prompt));
  return (
    <div className="page">
      <Heading
        title={`${prompt} in ${environment}`}
        about={
          <>
            <Link to="/releases">Releases</Link> ·{" "}
            <Link to="/prompts/$" params={{ _splat: prompt }}>
              the prompt
            </Link>
          </>
        }
      >
        {history.data?.[0] && releases.data && (
          <Rollback
            key={act}
            assignment={history.data[0]}
            releases={releases.data}
            begun={act === "rollback"}
            ended={() => void navigate({ search, replace: true })}
          />
        )}
      </Heading>
      {!prompt || !environment ? (
        <p className="panel">The address names no prompt and environment.</p>
      ) : (
        <Shown query={history}>{(found) => <Body key={`${prompt} ${environment}`} history={found} releases={releases.data ?? []} />}</Shown>
      )}
    </div>
  );
}

function Body({ history, releases }: { history: Assignment[]; releases: readonly Release[] }) {
  const search = route.useSearch();
  const { prompt, environment } = search;
  const navigate = route.useNavigate();
  const reference = useReference(prompt);
  const now = history[0];
  if (!now) {
    return (
      <Empty title={`${environment} never served ${prompt}`} command={reference && `moat release create ${reference} --to ${environment}`}>
        What it serves will stand here, with everything it served before.
      </Empty>
    );
  }
  return (
    <>
      <div className="columns">
        <Now assignment={now} releases={releases} />
        <Steer assignment={now} releases={releases} />
      </div>
      <ArmCharts
        assignment={now}
        history={history}
        releases={releases}
        search={search}
        choose={(change) => void navigate({ to: "/releases/served", search: { ...search, ...change } })}
      />
      <Rules environment={environment} />
      <History history={history} releases={releases} />
    </>
  );
}

function Now({ assignment, releases }: { assignment: Assignment; releases: readonly Release[] }) {
  const status = useQuery(statusQuery);
  const { environment, prompt, progress, strategy } = assignment;
  const shown = releases.find((one) => one.id === newRelease(assignment));
  const drift = (status.data?.drift ?? []).filter((one) => one.environment === environment && one.prompt === prompt);
  return (
    <section className="panel stack" aria-label="Served now">
      <div className="row spread">
        <h2>Served now</h2>
        {progress !== "closed" && (
          <Badge tone={progress === "paused" ? "warn" : "accent"}>
            {STRATEGIES[strategy]} {progress}
          </Badge>
        )}
      </div>
      <Arms assignment={assignment} releases={releases} />
      <div className="row">{shown && <EvidenceBadges evidence={shown.evidence} />}</div>
      <p className="small muted">
        Since {time(assignment.created_ns)} ({ago(assignment.created_ns)}) <By actor={assignment.actor} reason={assignment.reason} />
      </p>
      {assignment.overridden.length > 0 && (
        <p className="small">
          <Badge tone="bad">glass broken</Badge> {assignment.overridden.join("; ")}
        </p>
      )}
      <Drifts drift={drift} />
    </section>
  );
}
