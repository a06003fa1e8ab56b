/** What was asked and answered, in the one form that the API tells it in. All of it is text that others wrote. */
import type { Conversation, MoatTelemetryConversationSaid, Part } from "../../api/schema";

export type Said = MoatTelemetryConversationSaid;

/** Everything that was sent; where it never became messages, since a guard stood before it, what the prompt was asked with. */
export const asked = (found: Conversation): readonly Said[] => (found.asked.length > 0 ? found.asked : variables(found));

/** The answers, told apart from those that were sent along. */
export const answered = (found: Conversation): readonly Said[] => found.answered.map((one) => (one.role === "assistant" ? { ...one, role: "answer" } : one));

const variables = (found: Conversation): Said[] =>
  Object.entries(found.variables).map(([name, value]) => ({
    role: "variable",
    name,
    parts: [typeof value === "string" ? { kind: "text", text: value, path: `variables.${name}` } : { kind: "data", text: JSON.stringify(value) }],
  }));

/** The last words of whoever asked, for a title. */
export function question(found: Conversation): string {
  const said = found.asked.filter((one) => one.role === "user").at(-1);
  return (said?.parts ?? []).map((part) => (isSent(part) ? `(${part.kind})` : part.text)).join(" ").trim();
}

/** Something that is no text: told by what it is, never shown. */
export const isSent = ({ kind }: Part): boolean => kind === "image" || kind === "audio" || kind === "file";

/** Messages as one text, tool calls below what was said: to be compared. */
export const asText = (messages: readonly Said[]): string =>
  messages
    .flatMap((one) => one.parts)
    .map((part) => {
      if (part.kind === "tool_call") return `${part.name ?? ""}(${part.text ?? ""})`;
      return isSent(part) ? `(${part.kind})` : (part.text ?? "");
    })
    .join("\n");
