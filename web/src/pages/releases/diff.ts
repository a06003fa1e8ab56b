import type { PromptDiff } from "../../api/schema";

/** What is different, in one line: `3 texts, model, params.temperature; about 812 → 540 tokens`. */
export function inOneLine(diff: PromptDiff): string {
  const texts = diff.texts.length;
  const names = diff.fields.map((field) => field.path).filter((path) => !path.startsWith("metadata"));
  const more = names.length > MOST ? [...names.slice(0, MOST), `${names.length - MOST} more`] : names;
  const what = [...(texts ? [`${texts} ${texts === 1 ? "text" : "texts"}`] : []), ...more].join(", ");
  const tokens =
    diff.before_tokens === diff.after_tokens ? `about ${diff.after_tokens} tokens` : `about ${diff.before_tokens} → ${diff.after_tokens} tokens`;
  return `${what || "nothing but names"}; ${tokens}`;
}

const MOST = 4;
