/** What guards did in a call, and where in its texts. */
import type { Finding } from "../../api/schema";
import type { FullSpan as Span } from "./queries";

export interface Verdict {
  guard: string;
  action: string;
  findings: readonly Finding[];
  not_run: string;
}

/** Verdicts of the guards that a call ran under, as far as they found or failed. */
export function verdicts(span: Span): Verdict[] {
  const told = span.attributes["moat.guards"];
  if (!Array.isArray(told)) return [];
  return (told as Partial<Verdict>[]).map((one) => ({
    guard: one.guard ?? "",
    action: one.action ?? "",
    findings: Array.isArray(one.findings) ? one.findings : [],
    not_run: one.not_run ?? "",
  }));
}

export interface Stretch {
  text: string;
  /** Why it is marked; empty when it is not. */
  why: string;
}

/** What stands in a text where something was taken out: `<EMAIL_1>`. */
const PLACEHOLDER = /<[A-Z][A-Z0-9_]*_\d+>/g;

/**
 * A text with its findings marked. Places are those of the text as it came; where something was taken out of it, they
 * fit no more, and what stands for it is marked instead.
 */
export function marked(text: string, findings: readonly Finding[]): Stretch[] {
  const holders = [...text.matchAll(PLACEHOLDER)];
  if (holders.length > 0) {
    return cut(
      text,
      holders.map((found) => ({ start: found.index, end: found.index + found[0].length, why: "taken out by a guard" })),
    );
  }
  // Python counts characters, JavaScript halves of some: both count the same once the text is apart.
  const characters = Array.from(text);
  const at = (index: number) => characters.slice(0, index).join("").length;
  const fits = findings.filter((one) => one.start >= 0 && one.end > one.start && one.end <= characters.length);
  return cut(
    text,
    fits.map((one) => ({ start: at(one.start), end: at(one.end), why: `${one.guard}: ${one.kind}` })),
  );
}

function cut(text: string, marks: readonly { start: number; end: number; why: string }[]): Stretch[] {
  const found: Stretch[] = [];
  let at = 0;
  for (const { start, end, why } of [...marks].sort((a, b) => a.start - b.start)) {
    if (end <= at) continue;
    if (start > at) found.push({ text: text.slice(at, start), why: "" });
    found.push({ text: text.slice(Math.max(at, start), end), why });
    at = end;
  }
  if (at < text.length) found.push({ text: text.slice(at), why: "" });
  return found;
}
