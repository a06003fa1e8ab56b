/** The filter language of docs/traces.md, as far as typing it goes; the server alone says what an expression means. */
import { inQuotes } from "../../parts/calls";

export interface Suggestion {
  /** What takes the place of the word that is being typed. */
  text: string;
  about: string;
}

interface Known {
  about: string;
  /** Values that can be looked up, by this dimension of the usage report. */
  by?: string;
  values?: readonly string[];
  /** What an operator would be typed for; `=` unless it is more or less. */
  operator?: ">" | "=";
  /** Stands alone. */
  flag?: true;
}

const text = (about: string, more: Partial<Known> = {}): Known => ({ about, operator: "=", ...more });
const number = (about: string, values: readonly string[]): Known => ({ about, operator: ">", values });
const listed = (about: string, by: string): Known => text(about, { by });

export const FIELDS: Readonly<Record<string, Known>> = {
  error: { about: "failed; or its kind, as in error = timeout", by: "error", flag: true, operator: "=" },
  latency: number("length of time, such as 2s", ["500ms", "2s", "5s", "30s"]),
  first_token: number("time to the first token", ["500ms", "1s", "2s"]),
  cost: number("money, such as $0.01", ["$0.001", "$0.01", "$0.10"]),
  tokens: number("input and output together", ["1k", "10k", "100k"]),
  input_tokens: number("tokens of the input", ["1k", "10k"]),
  output_tokens: number("tokens of the output", ["500", "2k"]),
  cached_tokens: number("tokens that the provider had cached", ["0", "1k"]),
  reasoning_tokens: number("tokens of reasoning", ["0", "1k"]),
  attempts: number("tries at providers", ["1", "2"]),
  saved: number("money that a cache saved", ["$0", "$0.01"]),
  user: listed("end user", "user"),
  session: listed("conversation", "session"),
  tenant: listed("tenant", "tenant"),
  feature: listed("feature", "feature"),
  model: listed("alias that was asked for", "model"),
  alias: listed("alias that answered", "alias"),
  provider: listed("provider that answered", "provider"),
  answered: text("model that answered, as the provider names it"),
  prompt: listed("prompt", "prompt"),
  version: listed("version of the prompt", "version"),
  release: listed("release", "release"),
  arm: listed("arm of a split", "arm"),
  experiment: listed("rollout or experiment", "experiment"),
  environment: listed("environment", "environment"),
  key: listed("id of the key", "key"),
  guard: text("the strongest thing a guard did", { values: ["block", "fallback", "retry", "redact", "review", "flag"] }),
  policy: text("guard policy, as name@digest"),
  cache: text("of the cache", { values: ["hit", "similar", "miss"] }),
  kind: text("what is listed", { values: ["call", "attempt", "app", "any"] }),
  operation: listed("such as embeddings or execute_tool", "operation"),
  service: listed("application that reported the span", "service"),
  tools: text("name of a tool that was called"),
  finish: text("why the answer ended", { values: ["stop", "length", "tool_calls", "content_filter"] }),
  message: text("message of the error; ~ looks anywhere"),
  name: text("name of the span"),
  request: text("request id"),
  trace: text("trace id"),
  since: text("so long ago, or a date", { values: ["30m", "2h", "24h", "7d"] }),
  until: text("so long ago, or a date", { values: ["1h", "24h"] }),
  "score.feedback": { about: "what people said, 0 to 1", operator: ">", values: ["0.5"] },
  "attributes.": text("an attribute by its key"),
  shadow: { about: "copies that nobody saw", flag: true },
  stream: { about: "streamed answers", flag: true },
  estimated: { about: "usage is our estimate", flag: true },
  guarded: { about: "a guard did something", flag: true },
};

/** What stands at the caret: a field that begins so, or a value of a field. */
export interface Typing {
  kind: "field" | "value";
  /** Field whose value is typed; empty for a field. */
  field: string;
  /** What is typed of it so far. */
  word: string;
  /** Where the word begins. */
  start: number;
}

const VALUE = /(?:^|[\s(])([\w.]+)\s*(=|!=|~|!~|<=|>=|<|>|:|\bin\s*\((?:[^()]*,)?)\s*("[^"]*|[^\s()",]*)$/;
const BOUND = /(?:^|[\s(])(since|until)\s+([^\s()]*)$/;
const FIELD = /(?:^|[\s(])(@?[\w.]*)$/;

/** What is being typed at `caret`; null within text that is no word of the language. */
export function typing(expression: string, caret: number): Typing | null {
  const before = expression.slice(0, caret);
  const value = VALUE.exec(before);
  if (value?.[1] !== undefined && value[3] !== undefined) {
    const word = value[3].replace(/^"/, "");
    return { kind: "value", field: value[1], word, start: caret - value[3].length };
  }
  const bound = BOUND.exec(before);
  if (bound?.[1] !== undefined && bound[2] !== undefined) return { kind: "value", field: bound[1], word: bound[2], start: caret - bound[2].length };
  if ((before.match(/"/g) ?? []).length % 2) return null;
  const field = FIELD.exec(before);
  return field?.[1] === undefined ? null : { kind: "field", field: "", word: field[1], start: caret - field[1].length };
}

/** A value as the language takes it: in quotes when it is more than a word. */
export const quoted = (value: string): string => (/^[^\s(),"'@=!~<>:][^\s(),"]*$/.test(value) ? value : inQuotes(value));

/** Fields and flags that begin so, and saved searches. */
export function fieldSuggestions(word: string, saved: readonly { name: string; expression: string }[]): Suggestion[] {
  const small = word.toLowerCase();
  const named = saved.map((one) => ({ text: `@${one.name} `, about: one.expression }));
  const fields = Object.entries(FIELDS).map(([name, known]) => ({
    text: known.flag || name.endsWith(".") ? name : name === "since" || name === "until" ? `${name} ` : `${name} ${known.operator ?? "="} `,
    about: known.about,
  }));
  return [...fields, ...named].filter((one) => one.text.toLowerCase().startsWith(small) && one.text.trim() !== word);
}

/** Values that begin so, or have it anywhere. */
export function valueSuggestions(word: string, values: readonly string[]): Suggestion[] {
  const small = word.toLowerCase();
  const near = values.filter((value) => value && value.toLowerCase().includes(small) && value !== word);
  const first = (value: string) => (value.toLowerCase().startsWith(small) ? 0 : 1);
  return near.sort((a, b) => first(a) - first(b)).map((value) => ({ text: `${quoted(value)} `, about: "" }));
}

/** The expression with a suggestion in the place of what was typed, and where the caret is then. */
export function taken(expression: string, caret: number, at: Typing, suggestion: Suggestion): { text: string; caret: number } {
  const head = expression.slice(0, at.start) + suggestion.text;
  const tail = expression.slice(caret).replace(/^[^\s()]*/, "");
  return { text: head + (suggestion.text.endsWith(" ") ? tail.trimStart() : tail), caret: head.length };
}

/** An error of the server apart: what is wrong, and the line with its marks. */
export function told(message: string): { what: string; place: string; remedy: string } {
  const [first = "", ...rest] = message.split("\n");
  const marked = rest.findIndex((line) => /^\s*\^+/.test(line));
  if (marked < 0) return { what: message, place: "", remedy: "" };
  const [, marks = "", remedy = ""] = /^(\s*\^+)\.?\s*(.*)$/s.exec(rest.slice(marked).join("\n")) ?? [];
  return { what: first.replace(/^q: /, ""), place: [...rest.slice(0, marked), marks].join("\n"), remedy };
}
