import type { Registration } from "../../api/schema";
import { PROPOSED, isProposed } from "../../parts/unmerged";

interface Props {
  label: string;
  value: string;
  versions: readonly Registration[];
  choose: (version: string) => void;
}

/** Choose one of a prompt's versions; the newest stands first. */
export function VersionChoice({ label, value, versions, choose }: Props) {
  return (
    <label className="row">
      {label}
      <select value={value} onChange={(event) => choose(event.target.value)}>
        {[...versions].reverse().map((one) => (
          <option key={one.content.version} value={one.content.version}>
            {one.content.version}
            {isProposed(one) && ` (${PROPOSED})`}
          </option>
        ))}
      </select>
    </label>
  );
}
