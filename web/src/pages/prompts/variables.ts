/** Values of variables as they are typed, and as the API takes them. */
import type { Variable } from "../../api/schema";
import { isRecord, of } from "../../parts/records";

/** By the variable's name, as typed: text, digits, JSON; an empty text is no value. */
export type Typed = Record<string, string>;

/** Values for one try, under a name. */
export interface VariableSet {
  name: string;
  typed: Typed;
}

export interface Values {
  values: Record<string, unknown>;
  /** By the variable's name: why what is typed is none of its values. */
  problems: Record<string, string>;
}

/** What was typed, as values. A variable without text is left out: it has its default, or is missing. */
export function valued(variables: Readonly<Record<string, Variable>>, typed: Typed): Values {
  const read = Object.entries(variables).flatMap(([name, variable]) => {
    const text = of(typed, name) ?? "";
    return text === "" ? [] : [{ name, variable, value: valueOf(variable, text) }];
  });
  // Not by assignment: a variable may be called `__proto__`.
  return {
    values: Object.fromEntries(read.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]))),
    problems: Object.fromEntries(read.flatMap(({ name, variable, value }) => (value === undefined ? [[name, `Not ${EXPECTED[variable.type]}`]] : []))),
  };
}

const EXPECTED: Record<Variable["type"], string> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a JSON array, such as [1, 2]",
  object: 'a JSON object, such as {"a": 1}',
};

/** `undefined` when the text is no value of the variable. */
function valueOf(variable: Variable, text: string): unknown {
  if (variable.type === "string") return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return fits(variable.type, value) ? value : undefined;
}

function fits(type: Variable["type"], value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}

/** A value as one would type it. */
export const shown = (value: unknown): string => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** Values of a case as a set, for a form. */
export function setOf(name: string, values: Readonly<Record<string, unknown>>): VariableSet {
  return { name, typed: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, shown(value)])) };
}

/** Sets from cases of a dataset, one JSON object in each line: its `variables`. Throws an error that names the line. */
export function setsOf(jsonl: string): VariableSet[] {
  const found: VariableSet[] = [];
  jsonl.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new Error(`Line ${index + 1} is not JSON`);
    }
    if (!isRecord(value)) throw new Error(`Line ${index + 1} is not a JSON object`);
    const { id, variables } = value;
    if (variables !== undefined && !isRecord(variables)) throw new Error(`Line ${index + 1}: "variables" is not an object`);
    // A case has its variables in a member of that name; any other object is taken as the variables themselves.
    found.push(setOf(typeof id === "string" && id ? id : `line ${index + 1}`, isRecord(variables) ? variables : value));
  });
  return found;
}
