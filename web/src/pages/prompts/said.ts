import { isRecord } from "../../parts/records";

/** What a message says, as text. What is no text is named by its type and size, and never loaded. */
export function said(content: unknown): string {
  if (typeof content === "string") return content;
  if (content == null) return "";
  if (!Array.isArray(content)) return JSON.stringify(content);
  return content
    .map((part: unknown) => {
      if (isRecord(part) && typeof part["text"] === "string") return part["text"];
      const kind = isRecord(part) && typeof part["type"] === "string" ? part["type"] : "part";
      return `[${kind}, ${JSON.stringify(part).length} characters]`;
    })
    .join("\n");
}
