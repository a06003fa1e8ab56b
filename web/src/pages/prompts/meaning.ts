/** Differences of values, in the groups in which people think of them. */
import type { FieldDiff } from "../../api/schema";

export interface Meaning {
  title: string;
  /** Their paths without the group's own. */
  fields: FieldDiff[];
}

const GROUPS: readonly (readonly [root: string, title: string])[] = [
  ["model", "Model"],
  ["params", "Parameters"],
  ["variables", "Variables"],
  ["tools", "Tools"],
  ["output", "Output schema"],
  ["metadata", "Metadata (answers stay the same)"],
];

/** What changes answers first; groups without differences are left out. */
export function byMeaning(fields: readonly FieldDiff[]): Meaning[] {
  const root = (field: FieldDiff) => /^[^.[]*/.exec(field.path)?.[0] ?? "";
  const known = GROUPS.map(([name, title]) => ({
    title,
    fields: fields.filter((field) => root(field) === name).map((field) => ({ ...field, path: field.path.slice(name.length + 1) || name })),
  }));
  const others = fields.filter((field) => !GROUPS.some(([name]) => name === root(field)));
  return [...known, { title: "Other", fields: others }].filter((group) => group.fields.length > 0);
}
