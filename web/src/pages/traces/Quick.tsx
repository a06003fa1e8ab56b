import { useQuery } from "@tanstack/react-query";

import { PeriodChoice } from "../../parts/PeriodChoice";
import { periodOf } from "../../parts/period";
import { EnvironmentChoice } from "./EnvironmentChoice";
import { valuesQuery } from "./queries";
import { DEFAULT_WINDOW, type TraceSearch, WINDOWS } from "./search";
import styles from "./Traces.module.css";

/** What is asked for most often, without writing an expression. */
export function Quick({ search, since_ns, change }: { search: TraceSearch; since_ns: number | undefined; change: (part: Partial<TraceSearch>) => void }) {
  return (
    <div className="row" role="group" aria-label="Quick filters">
      <PeriodChoice period={periodOf(search, DEFAULT_WINDOW)} windows={WINDOWS} choose={change} />
      <EnvironmentChoice search={search} since_ns={since_ns} change={change} />
      <ModelChoice since_ns={since_ns} value={search.model} choose={(model) => change({ model })} />
      <label className={styles.check}>
        <input type="checkbox" checked={search.failed === true} onChange={(event) => change({ failed: event.target.checked || undefined })} />
        Failed only
      </label>
    </div>
  );
}

interface ModelProps {
  since_ns: number | undefined;
  value: string | undefined;
  choose: (value: string | undefined) => void;
}

function ModelChoice({ since_ns, value, choose }: ModelProps) {
  const { data = [] } = useQuery(valuesQuery("model", since_ns));
  const values = value && !data.includes(value) ? [value, ...data] : data;
  return (
    <select aria-label="Model" value={value ?? ""} onChange={(event) => choose(event.target.value || undefined)} className={styles.choice}>
      <option value="">All models</option>
      {values.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}
