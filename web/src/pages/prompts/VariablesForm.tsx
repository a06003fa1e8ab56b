import { useId } from "react";

import type { Variable } from "../../api/schema";
import { of } from "../../parts/records";
import styles from "./Editor.module.css";
import { type Typed, shown } from "./variables";

interface Props {
  variables: Readonly<Record<string, Variable>>;
  typed: Typed;
  problems: Readonly<Record<string, string>>;
  change: (name: string, text: string) => void;
}

/** A field for each variable, of its type; what is left empty has its default. */
export function VariablesForm({ variables, typed, problems, change }: Props) {
  return Object.entries(variables).map(([name, variable]) => (
    <Field
      key={name}
      name={name}
      variable={variable}
      text={of(typed, name) ?? ""}
      problem={of(problems, name) ?? ""}
      change={(text) => change(name, text)}
    />
  ));
}

interface FieldProps {
  name: string;
  variable: Variable;
  text: string;
  problem: string;
  change: (text: string) => void;
}

function Field({ name, variable, text, problem, change }: FieldProps) {
  const id = useId();
  const required = variable.default === undefined;
  const about = [variable.type, required ? "required" : `default ${JSON.stringify(variable.default)}`, variable.description];
  const shared = { id, value: text, required, "aria-describedby": `${id}-about`, "aria-invalid": problem !== "" };
  return (
    <div>
      <label htmlFor={id}>
        <span>
          {name}
          {required && <span aria-hidden="true"> *</span>}
        </span>
      </label>
      <Control variable={variable} shared={shared} change={change} />
      <p id={`${id}-about`} className={styles.hint}>
        {about.filter(Boolean).join(" · ")}
        {problem && <span className="bad"> ✕ {problem}</span>}
      </p>
    </div>
  );
}

interface ControlProps {
  variable: Variable;
  shared: { id: string; value: string; required: boolean };
  change: (text: string) => void;
}

function Control({ variable, shared, change }: ControlProps) {
  const choices = variable.enum ?? (variable.type === "boolean" ? [true, false] : null);
  const empty = variable.default === undefined ? "" : `${shown(variable.default) || '""'} (default)`;
  if (choices) {
    return (
      <select {...shared} onChange={(event) => change(event.target.value)}>
        <option value="">{empty}</option>
        {choices.map((choice) => (
          <option key={shown(choice)} value={shown(choice)}>
            {shown(choice)}
          </option>
        ))}
      </select>
    );
  }
  if (variable.type === "integer" || variable.type === "number") {
    return <input {...shared} inputMode="decimal" placeholder={empty} onChange={(event) => change(event.target.value)} />;
  }
  const rows = variable.type === "string" ? Math.min(8, Math.max(2, shared.value.split("\n").length)) : 3;
  return <textarea {...shared} rows={rows} spellCheck={false} placeholder={empty} onChange={(event) => change(event.target.value)} />;
}
