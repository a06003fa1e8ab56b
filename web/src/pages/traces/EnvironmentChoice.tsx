import { useQuery } from "@tanstack/react-query";

import { Button } from "../../parts/Button";
import type { CallsSearch } from "../../parts/traffic";
import { valuesQuery } from "./queries";
import styles from "./Traces.module.css";

interface Props {
  search: CallsSearch;
  since_ns: number | undefined;
  change: (part: CallsSearch) => void;
}

/** No environment is called so. */
const TRAFFIC = " traffic";

/** One environment, all, or all but Moat's own. */
export function EnvironmentChoice({ search: { environment, calls }, since_ns, change }: Props) {
  const { data = [] } = useQuery(valuesQuery("environment", since_ns));
  const values = environment && !data.includes(environment) ? [environment, ...data] : data;
  const choose = (value: string) => {
    if (value === TRAFFIC) change({ environment: undefined, calls: "traffic" });
    else change(value ? { environment: value, calls: undefined } : { environment: undefined, calls: "all" });
  };
  return (
    <select
      aria-label="Environment"
      value={environment ?? (calls === "traffic" ? TRAFFIC : "")}
      onChange={(event) => choose(event.target.value)}
      className={styles.choice}
    >
      <option value={TRAFFIC}>Traffic</option>
      <option value="">All environments</option>
      {values.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}

/** Says that calls are left out, and shows them with one click; nothing where all are shown. */
export function LeftOut({ search: { environment, calls }, change }: Omit<Props, "since_ns">) {
  if (environment !== undefined || calls !== "traffic") return null;
  return (
    <p className="row small muted">
      Without the calls of evaluations and the playground.
      <Button onClick={() => change({ calls: "all" })}>Show all</Button>
    </p>
  );
}
