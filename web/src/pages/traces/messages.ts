/** What was asked and answered, apart from wire formats: the form of docs/otlp.md, which is OpenAI's. All of it is text that others wrote. */
import type { FullSpan as Span } from "./queries";

export type Part =
  | { kind: "text"; text: string; path: string }
  /** Something that is no text, such as an image: told by its type and size, never shown. */
  | { kind: "data"; type: string; size: number }
  | { kind: "call"; name: string; id: string; arguments: string; path: string }
  | { kind: "json"; value: unknown };

export interface Message {
  /** `system`, `user`, `assistant`, `tool`, ..., or `input` and `answer` where there are no messages. */
  role: string;
  /** Of a tool's result: which call it answers. */
  about: string;
  parts: readonly Part[];
}

type Members = Record<string, unknown>;

const members = (value: unknown): Members => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Everything that was sent. */
export function asked(span: Span): Message[] {
  if (span.input == null) return [];
  const input = members(span.input);
  const cut = cutOff(input);
  if (cut) return [cut];
  if (!Array.isArray(input["messages"])) return [{ role: "input", about: "", parts: [whole(span.input)] }];
  const said = list(input["messages"]).map((one, index) => message(one, `messages.${index}`));
  return said.length > 0 ? said : variablesOf(input);
}

/** What a prompt was asked with, where it never became messages: a guard stood before it. */
const variablesOf = (input: Members): Message[] =>
  Object.entries(members(input["variables"])).map(([name, value]) => ({
    role: "variable",
    about: name,
    parts: [typeof value === "string" ? { kind: "text", text: value, path: `variables.${name}` } : whole(value)],
  }));

/** The answer. */
export function answered(span: Span): Message[] {
  if (span.output == null) return [];
  const output = members(span.output);
  const cut = cutOff(output);
  if (cut) return [cut];
  if (Array.isArray(output["messages"])) return list(output["messages"]).map((one, index) => message(one, `messages.${index}`));
  const known = ["text", "tool_calls", "refusal", "reasoning"].some((name) => name in output);
  if (!known) return [{ role: "answer", about: "", parts: [whole(span.output)] }];
  const said = (role: string, name: string): Message[] =>
    text(output[name]) ? [{ role, about: "", parts: [{ kind: "text", text: text(output[name]), path: name }] }] : [];
  const calls = list(output["tool_calls"]).map((one, index) => toolCall(one, `tool_calls.${index}.arguments`));
  return [
    ...said("reasoning", "reasoning"),
    ...said("refusal", "refusal"),
    ...said("answer", "text"),
    ...(calls.length > 0 ? [{ role: "answer", about: "", parts: calls }] : []),
  ];
}

function message(value: unknown, path: string): Message {
  const one = members(value);
  const content = one["content"];
  const parts = Array.isArray(content)
    ? list(content).map((part, index) => partOf(part, `${path}.content.${index}`))
    : content == null
      ? []
      : [typeof content === "string" ? { kind: "text" as const, text: content, path: `${path}.content` } : whole(content)];
  const calls = list(one["tool_calls"]).map((call, index) => toolCall(call, `${path}.tool_calls.${index}.arguments`));
  return { role: text(one["role"]) || "?", about: text(one["tool_call_id"]) || text(one["name"]), parts: [...parts, ...calls] };
}

function partOf(value: unknown, path: string): Part {
  if (typeof value === "string") return { kind: "text", text: value, path };
  const one = members(value);
  if (typeof one["text"] === "string") return { kind: "text", text: one["text"], path: `${path}.text` };
  return { kind: "data", type: text(one["type"]) || "data", size: JSON.stringify(value).length };
}

function toolCall(value: unknown, path: string): Part {
  const one = members(value);
  const made = "function" in one ? members(one["function"]) : one;
  const name = text(made["name"]);
  if (!name) return whole(value);
  const given = made["arguments"];
  return { kind: "call", name, id: text(one["id"]), arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}), path };
}

const whole = (value: unknown): Part => (typeof value === "string" ? { kind: "text", text: value, path: "" } : { kind: "json", value });

/** A content that was too long to be kept whole. */
function cutOff(content: Members): Message | null {
  if (typeof content["truncated"] !== "number") return null;
  return { role: "cut off in the record", about: `of ${content["truncated"]} characters`, parts: [{ kind: "text", text: text(content["text"]), path: "" }] };
}

/** The last words of whoever asked, for a title. */
export function question(span: Span): string {
  const said = asked(span).filter((one) => one.role === "user" || one.role === "input");
  const parts = said.at(-1)?.parts ?? [];
  return parts.map((part) => (part.kind === "text" ? part.text : part.kind === "data" ? `(${part.type})` : "")).join(" ").trim();
}

/** The answer as one text, tool calls below it: to be compared. */
export const asText = (messages: readonly Message[]): string =>
  messages
    .flatMap((one) => one.parts)
    .map((part) => {
      if (part.kind === "text") return part.text;
      if (part.kind === "call") return `${part.name}(${part.arguments})`;
      return part.kind === "data" ? `(${part.type})` : JSON.stringify(part.value, null, 2);
    })
    .join("\n");
