/** Findings of lint at their places in the text. */
import type { Diagnostic } from "@codemirror/lint";
import type { Text } from "@codemirror/state";

import type { Finding } from "./drafts";

/** Those with a line that there is; the text may have become shorter since they were found. */
export function diagnostics(doc: Text, findings: readonly Finding[]): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const { line: number = 0, column = 0, severity = "error", message, remedy, rule } of findings) {
    if (number < 1 || number > doc.lines) continue;
    const line = doc.line(number);
    const from = column ? Math.min(line.from + column - 1, line.to) : line.from;
    found.push({ from, to: line.to, severity, message: remedy ? `${message}. ${remedy}` : message, source: rule });
  }
  return found.sort((a, b) => a.from - b.from);
}
