import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { SubmitEvent } from "react";

import type { SuiteInfo } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Empty, Shown } from "../../parts/States";
import { PowerAnswer } from "./PowerAnswer";
import styles from "./Power.module.css";
import { powerQuery, suitesQuery } from "./queries";
import type { PowerSearch } from "./search";
import { useTyped } from "./typed";

const route = getRouteApi("/inside/evals/power");

/** What a suite can see, and how many cases it takes to see less. */
export function Power() {
  const suites = useQuery(suitesQuery);
  return (
    <Shown query={suites}>
      {(found) => {
        const usable = found.filter((one) => one.problems.length === 0);
        return usable.length > 0 ? (
          <Planner suites={usable} />
        ) : (
          <Empty title="There is no suite to plan" command="moat eval init">
            How many cases a question needs depends on how much scores vary: a suite and a run or two say so.
          </Empty>
        );
      }}
    </Shown>
  );
}

function Planner({ suites }: { suites: readonly SuiteInfo[] }) {
  const search = route.useSearch();
  const suite = search.suite ?? (suites.find((one) => one.gates.length > 0) ?? suites[0])?.name ?? "";
  const plan = useQuery(powerQuery({ ...search, suite }));
  return (
    <>
      <Question suites={suites} search={{ ...search, suite }} />
      <div role="status" className="stack">
        <Shown query={plan}>{(found) => <PowerAnswer plan={found} />}</Shown>
      </div>
    </>
  );
}

/** What is asked for; a field that is left empty is as the suite, or stored runs, have it. */
function Question({ suites, search }: { suites: readonly SuiteInfo[]; search: PowerSearch }) {
  const navigate = useNavigate({ from: "/evals/power" });
  const [wanted, setWanted] = useTyped(fieldsOf(search));
  const put = (name: keyof Fields) => (event: { target: { value: string } }) => setWanted({ ...wanted, [name]: event.target.value });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void navigate({ search: { suite: wanted.suite, detect: wanted.detect || undefined, ...numbers(wanted) }, resetScroll: false });
  };
  return (
    <form className={`panel ${styles.question}`} onSubmit={submit}>
      <label>
        Suite
        <select value={wanted.suite} onChange={put("suite")}>
          {[...new Set([...suites.map((one) => one.name), wanted.suite])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        Difference
        <input value={wanted.detect} onChange={put("detect")} placeholder="2pts" pattern="[0-9.]+ *(pts|pt|%)?" title="5pts, 5% or 0.05" />
      </label>
      <label>
        Power
        <input type="number" min={0.01} max={0.999} step="any" value={wanted.power} onChange={put("power")} placeholder="0.8" />
      </label>
      <label>
        Alpha
        <input type="number" min={0.0001} max={0.5} step="any" value={wanted.alpha} onChange={put("alpha")} placeholder="0.05" />
      </label>
      <label>
        Repeats
        <input type="number" min={1} max={100} value={wanted.repeats} onChange={put("repeats")} placeholder="the suite's" />
      </label>
      <label>
        Pass rate
        <input type="number" min={0} max={1} step="any" value={wanted.pass_rate} onChange={put("pass_rate")} placeholder="as stored" />
      </label>
      <label>
        Cases
        <input type="number" min={1} max={10_000_000} value={wanted.cases} onChange={put("cases")} placeholder="the suite's" />
      </label>
      <Button kind="main" type="submit">
        Plan
      </Button>
      <p className={`muted small ${styles.about}`}>
        Power is how likely a difference of this size is found when it is there; alpha, how likely one is seen where there is none.
      </p>
    </form>
  );
}

const NUMBERS = ["power", "alpha", "repeats", "pass_rate", "cases"] as const;
type Fields = Record<(typeof NUMBERS)[number] | "suite" | "detect", string>;

function fieldsOf(search: PowerSearch): Fields {
  const number = (value: number | undefined) => (value === undefined ? "" : String(value));
  return {
    suite: search.suite ?? "",
    detect: search.detect ?? "",
    power: number(search.power),
    alpha: number(search.alpha),
    repeats: number(search.repeats),
    pass_rate: number(search.pass_rate),
    cases: number(search.cases),
  };
}

const numbers = (wanted: Fields): Partial<PowerSearch> =>
  Object.fromEntries(NUMBERS.filter((name) => wanted[name] !== "").map((name) => [name, Number(wanted[name])]));
