/** How much of the past charts show, and how finely. */
export const SPANS = {
  "1h": { label: "Last hour", length_s: 3600, step_s: 60 },
  "6h": { label: "6 hours", length_s: 6 * 3600, step_s: 300 },
  "24h": { label: "24 hours", length_s: 86_400, step_s: 1200 },
  "7d": { label: "7 days", length_s: 7 * 86_400, step_s: 3 * 3600 },
} as const;

export type Span = keyof typeof SPANS;

export const isSpan = (value: unknown): value is Span => typeof value === "string" && Object.hasOwn(SPANS, value);

/** Starts of the time slots up to now, as the API counts them: multiples of the step. Unix nanoseconds. */
export function slots(span: Span, now_ms: number): number[] {
  const { length_s, step_s } = SPANS[span];
  const last = Math.floor(now_ms / 1000 / step_s) * step_s;
  const count = length_s / step_s;
  return Array.from({ length: count }, (_, index) => (last - (count - 1 - index) * step_s) * 1e9);
}

/** The span that shows the most of what began at this moment: the shortest that holds it. */
export function spanSince(began_ns: number, now_ms: number): Span {
  const passed_s = now_ms / 1000 - began_ns / 1e9;
  const fitting = (Object.keys(SPANS) as Span[]).find((span) => SPANS[span].length_s >= passed_s);
  return fitting ?? "7d";
}
