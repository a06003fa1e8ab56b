/** A conversation that a run stored: messages as OpenAI's chat has them, written by models and by people. */

export interface Turn {
  role: string;
  text: string;
  calls: readonly unknown[];
  /** Parts that are no text, such as images. */
  others: readonly { type: string; size: number }[];
}

type Members = Record<string, unknown>;

const members = (value: unknown): Members => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const typed = (part: unknown): string => {
  const { type } = members(part);
  return typeof type === "string" ? type : "data";
};
const isText = (part: unknown): boolean => typeof part === "string" || typeof members(part)["text"] === "string";

/** What everybody said; a text where it was too long to be kept whole, then it is one turn. */
export function turns(messages: unknown): Turn[] {
  if (typeof messages === "string" && messages) return [{ role: "cut off", text: messages, calls: [], others: [] }];
  return list(messages).map((message) => {
    const { role, content, tool_calls } = members(message);
    const parts = typeof content === "string" ? [content] : list(content);
    const others = parts.filter((part) => !isText(part));
    return {
      role: typeof role === "string" ? role : "?",
      text: parts.filter(isText).map((part) => (typeof part === "string" ? part : String(members(part)["text"]))).join("\n"),
      calls: list(tool_calls),
      others: others.map((part) => ({ type: typed(part), size: JSON.stringify(part).length })),
    };
  });
}
