import { useQuery } from "@tanstack/react-query";

import { type Draft, pathOf } from "./drafts";
import styles from "./Others.module.css";
import { versionsQuery } from "./queries";
import { isVersion, takenBy } from "./versions";

interface Props {
  drafts: readonly (readonly [string, Draft])[];
  /** Names of prompts. */
  chosen: readonly string[];
  choose: (names: readonly string[]) => void;
}

/** The person's drafts of other prompts, which can go into the same proposal. */
export function Others({ drafts, chosen, choose }: Props) {
  return (
    <fieldset className={styles.others}>
      <legend>Your other drafts: propose them together?</legend>
      {drafts.map(([name, draft]) => (
        <Other
          key={name}
          name={name}
          draft={draft}
          isChosen={chosen.includes(name)}
          toggle={(on) => choose(on ? [...chosen, name] : chosen.filter((one) => one !== name))}
        />
      ))}
    </fieldset>
  );
}

function Other({ name, draft, isChosen, toggle }: { name: string; draft: Draft; isChosen: boolean; toggle: (on: boolean) => void }) {
  const versions = useQuery(versionsQuery(name));
  const taken = versions.data && takenBy(versions.data, draft.branch ?? draft.proposed?.branch ?? "").includes(draft.version);
  const partials = Object.keys(draft.partials ?? {});
  const problem = problemOf(draft, taken ?? false);
  return (
    <div className="row">
      <label className={styles.other}>
        <input type="checkbox" checked={isChosen} disabled={!versions.data || problem !== ""} onChange={(event) => toggle(event.target.checked)} />
        {pathOf(name, draft.version)}
      </label>
      <span className="muted small">
        {problem || (draft.base ? `begun with ${draft.base}` : "a new prompt")}
        {partials.length > 0 && `, with ${partials.join(", ")}`}
      </span>
    </div>
  );
}

/** Why a draft cannot go into a proposal; empty when it can. */
function problemOf({ version, proposed }: Draft, taken: boolean): string {
  if (proposed?.same) return `It is proposed as ${proposed.branch}.`;
  if (!isVersion(version)) return "Its version is none.";
  return taken ? "There is this version already." : "";
}
