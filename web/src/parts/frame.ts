/** The time that a chart draws, and what of it is not over yet. */
import type { Mark } from "./Chart";

export interface Frame {
  /** Unix nanoseconds. */
  since_ns: number;
  until_ns: number;
  /** Is the last slot not over yet? */
  open: boolean;
}

/** Nanoseconds since 1970 are more than a number holds exactly. */
const ROUNDED = 1e6;

/** From the first slot's start to the end of the time asked for: without one, to the last slot's start. */
export function frameOf(times: readonly number[], until_ns?: number): Frame {
  const [since, last, before] = [times[0] ?? 0, times.at(-1) ?? 0, times.at(-2)];
  const until = Math.max(until_ns ?? 0, last);
  return { since_ns: since, until_ns: until > since ? until : since + 1e9, open: until_ns !== undefined && (before === undefined || until < 2 * last - before - ROUNDED) };
}

/** What happened in the time that is drawn. */
export const marksIn = (marks: readonly Mark[], { since_ns, until_ns }: Frame): readonly Mark[] =>
  marks.filter((mark) => mark.at_ns >= since_ns && mark.at_ns <= until_ns);

/** What happened in the slot of an index: up to the start of the next; in the last one without an end. */
export const marksOf = (marks: readonly Mark[], times: readonly number[], index: number): readonly Mark[] =>
  marks.filter((mark) => mark.at_ns >= (times[index] ?? Infinity) && mark.at_ns < (times[index + 1] ?? Infinity));

type Values = readonly (number | null)[];

/** A line in two: of slots that are over, and from the last of them on to the one that is not. */
export function ending(values: Values, open: boolean): { over: Values; open: Values } {
  if (!open) return { over: values, open: values.map(() => null) };
  const last = values.length - 1;
  return { over: values.map((value, index) => (index === last ? null : value)), open: values.map((value, index) => (index >= last - 1 ? value : null)) };
}
