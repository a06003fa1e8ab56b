import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Order, Plan } from "../../api/schema";
import { Failure } from "../../parts/States";
import { releasable, unmerged } from "../../parts/unmerged";
import { promptsQuery } from "../prompts/queries";
import { release } from "./acts";
import { inWords } from "./Arms";
import { Decide } from "./Decide";
import { STRATEGIES } from "./names";
import { clearanceQuery, releasesQuery, rulesQuery } from "./queries";

type Strategy = NonNullable<Plan["strategy"]>;

interface Wanted {
  prompt: string;
  version: string;
  environment: string;
  strategy: Strategy;
  percent: number;
  experiment: string;
}

const MEANINGS: Record<Strategy, string> = {
  all: "Everybody in the environment gets it at once.",
  canary: "A part of the users gets it; you give it more, promote it or abort it.",
  blue_green: "It is made ready beside what is served, and nobody gets it until it is promoted; then everybody at once.",
  ab: "Half of the users get it (treatment), half what is served (control), until one wins.",
  shadow: "Users get what is served. It answers a copy of a part of the calls, which only traces show.",
};

/** Release a version into an environment: which, where, and how it is introduced. */
export function NewRelease({ close }: { close: () => void }) {
  const [wanted, setWanted] = useState<Wanted>({ prompt: "", version: "", environment: "", strategy: "all", percent: 10, experiment: "" });
  const releases = useQuery(releasesQuery());
  const { prompt, version, environment } = wanted;
  const rules = useQuery(rulesQuery);
  const known = rules.data?.some((one) => one.name === environment) ?? false;
  const clearance = useQuery({ ...clearanceQuery(prompt, environment, version), enabled: known && prompt !== "" && version !== "" });
  return (
    <Decide
      title="Release a version"
      label="Release it"
      ruled
      lacking={clearance.data}
      act={({ reason, glass }) => release(orderOf(wanted, reason, glass))}
      done={(done) => `${done.assignment.environment} serves ${inWords(done.assignment, releases.data ?? [])}.`}
      close={close}
    >
      <Which wanted={wanted} set={setWanted} />
      <How wanted={wanted} set={setWanted} />
      {clearance.isError && <Failure error={clearance.error} />}
    </Decide>
  );
}

/** The order as the API takes it: a plan names only what its strategy has. */
function orderOf({ prompt, version, environment, strategy, percent, experiment }: Wanted, reason: string, glass: boolean): Order {
  const shared = strategy === "canary" || strategy === "shadow";
  const plan: Plan = { strategy, ...(shared ? { percent } : {}), ...(strategy === "ab" && experiment ? { experiment } : {}) };
  return { prompt, version, environment, reason, plan, break_glass: glass };
}

interface PartProps {
  wanted: Wanted;
  set: (wanted: Wanted) => void;
}

function Which({ wanted, set }: PartProps) {
  const prompts = useQuery(promptsQuery);
  const rules = useQuery(rulesQuery);
  const offered = prompts.data?.filter((one) => releasable(one).length > 0);
  const prompt = offered?.find((one) => one.name === wanted.prompt);
  const others = prompt ? unmerged(prompt) : "";
  return (
    <>
      <label>
        Prompt
        <select required data-autofocus value={wanted.prompt} onChange={(event) => set({ ...wanted, prompt: event.target.value, version: "" })}>
          <option value="" />
          {offered?.map((one) => <option key={one.name}>{one.name}</option>)}
        </select>
      </label>
      <label>
        Version
        <select required value={wanted.version} onChange={(event) => set({ ...wanted, version: event.target.value })} disabled={!wanted.prompt}>
          <option value="" />
          {prompt && releasable(prompt).toReversed().map((one) => <option key={one.version}>{one.version}</option>)}
        </select>
      </label>
      {others && <p className="muted small">Not offered: {others}.</p>}
      <label>
        Environment
        <input
          required
          list="environments-there-are"
          value={wanted.environment}
          onChange={(event) => set({ ...wanted, environment: event.target.value })}
        />
      </label>
      <datalist id="environments-there-are">
        {rules.data?.map((one) => <option key={one.name} value={one.name} />)}
      </datalist>
    </>
  );
}

function How({ wanted, set }: PartProps) {
  const { strategy } = wanted;
  return (
    <>
      <label>
        How
        <select value={strategy} onChange={(event) => set({ ...wanted, strategy: event.target.value as Strategy })}>
          {(Object.keys(STRATEGIES) as Strategy[]).map((one) => (
            <option key={one} value={one}>
              {STRATEGIES[one]}
            </option>
          ))}
        </select>
      </label>
      <p className="muted small">{MEANINGS[strategy]}</p>
      {(strategy === "canary" || strategy === "shadow") && (
        <label>
          {strategy === "canary" ? "Percent of the users" : "Percent of the calls"}
          <input
            type="number"
            required
            min={1}
            max={strategy === "canary" ? 99 : 100}
            value={wanted.percent}
            onChange={(event) => set({ ...wanted, percent: event.target.valueAsNumber || 0 })}
          />
        </label>
      )}
      {strategy === "ab" && (
        <label>
          Name of the experiment
          <input value={wanted.experiment} onChange={(event) => set({ ...wanted, experiment: event.target.value })} />
        </label>
      )}
    </>
  );
}
