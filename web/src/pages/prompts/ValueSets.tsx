import { Button } from "../../parts/Button";
import type { Variable } from "../../api/schema";
import styles from "./Editor.module.css";
import type { VariableSet } from "./variables";
import { VariablesForm } from "./VariablesForm";

interface Props {
  /** The first is the one in the form. */
  sets: VariableSet[];
  keep: (sets: VariableSet[]) => void;
  variables: Readonly<Record<string, Variable>>;
  problems: Readonly<Record<string, string>>;
}

/** Values to try a prompt with: one form, and several sets to choose from. */
export function ValueSets({ sets, keep, variables, problems }: Props) {
  const [current, ...others] = sets;
  if (!current) return null;
  const alone = others.length === 0;
  return (
    <div className="panel stack">
      <div className="row spread">
        <label className="row">
          Values
          <select value={current.name} onChange={(event) => keep(chosen(sets, event.target.value))}>
            {[...sets].sort(byName).map((set) => (
              <option key={set.name}>{set.name}</option>
            ))}
          </select>
        </label>
        <span className="row">
          <Button kind="plain" title="Begins with these values" onClick={() => keep([{ name: fresh(sets), typed: current.typed }, ...sets])}>
            New set
          </Button>
          <Button kind="plain" onClick={() => keep(alone ? [] : others)}>
            {alone ? "Clear" : "Remove"}
          </Button>
        </span>
      </div>
      {Object.keys(variables).length === 0 ? (
        <p className="muted small">The draft declares no variables.</p>
      ) : (
        <div className={styles.form}>
          <VariablesForm
            variables={variables}
            typed={current.typed}
            problems={problems}
            change={(name, text) => keep([{ ...current, typed: { ...current.typed, [name]: text } }, ...others])}
          />
        </div>
      )}
    </div>
  );
}

const byName = (a: VariableSet, b: VariableSet) => a.name.localeCompare(b.name, "en", { numeric: true });

function chosen(sets: VariableSet[], name: string): VariableSet[] {
  const [first, others] = [sets.filter((set) => set.name === name), sets.filter((set) => set.name !== name)];
  return [...first, ...others];
}

function fresh(sets: VariableSet[]): string {
  let number = sets.length + 1;
  while (sets.some((set) => set.name === `Values ${number}`)) number += 1;
  return `Values ${number}`;
}
