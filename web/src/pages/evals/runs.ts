/** What runs are called, and what is said of them. */
import type { Run } from "../../api/schema";
import type { Tone } from "../../parts/Badge";

/** Was a draft evaluated, which is no version yet? */
export const isDraft = (run: Run): boolean => run.commit === "draft";

/** What answered: a prompt's version, or what stood in its place. */
export const subject = (run: Run): string => (run.prompt ? `${run.prompt}@${run.version}` : run.target);

const TONES: Record<string, Tone> = { pass: "good", regressed: "bad", inconclusive: "warn", running: "accent", interrupted: "warn" };

/** The colour of a verdict, or of a run's status. */
export const tone = (word: string): Tone => TONES[word] ?? "neutral";

/** What a run says in one word: its verdict, or as long as there is none how far it came. */
export const word = (run: Run): string => run.verdict || run.status;

/** Is it under way, or was it cut off? */
export const unfinished = (run: Run): boolean => run.status === "running" || run.status === "interrupted";

/** Why two runs do not compare; empty when they do. */
export function apart(one: Run, other: Run): string {
  if (one.suite !== other.suite) return "They are of different suites.";
  if (one.suite_digest !== other.suite_digest) return "The suite's scorers or repeats changed between them.";
  if (one.dataset_digest !== other.dataset_digest) return "They asked different cases.";
  if (unfinished(one) || unfinished(other)) return "One of them is not finished.";
  return "";
}

/** A value from 0 to 1: 0.833. */
export const score = (value: number | null | undefined): string => (value == null ? "–" : value.toFixed(3).replace("-", "−"));

/** A difference of two of them: +0.033, −0.100. */
export function signed(value: number): string {
  const digits = Math.abs(value).toFixed(3);
  return digits === "0.000" ? "0.000" : `${value > 0 ? "+" : "−"}${digits}`;
}

/** An interval: 0.664 to 0.927. */
export function bounds(low: number | null | undefined, high: number | null | undefined, format: (value: number) => string = score): string {
  return low == null || high == null ? "–" : `${format(low)} to ${format(high)}`;
}

/** The beginning of a digest or a long id, as people compare them. */
export const brief = (digest: string): string => digest.replace(/^sha256:/, "").slice(0, 12);

/** Somebody's name without the address that git has behind it. */
export const person = (author: string): string => author.replace(/\s*<[^>]*>$/, "");
