/** The time that a chart draws, what happened in it, and what of it is not over yet. */

/** Something that happened, such as a release: a line through every chart. */
export interface Mark {
  at_ns: number;
  label: string;
}

export interface Frame {
  /** Unix nanoseconds. */
  since_ns: number;
  until_ns: number;
  /** Did the first slot begin before the time that was asked for? */
  cut: boolean;
  /** Is the last slot not over yet? */
  open: boolean;
}

/** Nanoseconds since 1970 are more than a number holds exactly. */
const ROUNDED = 1e6;

/** From the first slot's start to the end of the time asked for: without one, to the last slot's start. `step_ns`: a slot's length, else the last two tell. */
export function frameOf(times: readonly number[], since_ns?: number, until_ns?: number, step_ns?: number): Frame {
  const [since, last, before = -Infinity] = [times[0] ?? 0, times.at(-1) ?? 0, times.at(-2)];
  const until = Math.max(until_ns ?? 0, last);
  return {
    since_ns: since,
    until_ns: until > since ? until : since + 1e9,
    cut: since_ns !== undefined && since_ns > since + ROUNDED,
    open: until_ns !== undefined && until < last + (step_ns ?? last - before) - ROUNDED,
  };
}

/** What is said of a slot: something only of a first or last one that is not whole. `past`: is the time over that is drawn? */
export function wholeness(index: number, length: number, { cut, open }: Pick<Frame, "cut" | "open">, past: boolean): "" | "in part" | "so far" {
  if (open && index === length - 1) return past || (cut && index === 0) ? "in part" : "so far";
  return cut && index === 0 ? "in part" : "";
}

/** What happened in the time that is drawn. */
export const marksIn = (marks: readonly Mark[], { since_ns, until_ns }: Frame): readonly Mark[] =>
  marks.filter((mark) => mark.at_ns >= since_ns && mark.at_ns <= until_ns);

/** What happened in the slot of an index: up to the start of the next; in the last one without an end. */
export const marksOf = (marks: readonly Mark[], times: readonly number[], index: number): readonly Mark[] =>
  marks.filter((mark) => mark.at_ns >= (times[index] ?? Infinity) && mark.at_ns < (times[index + 1] ?? Infinity));

type Values = readonly (number | null)[];

/** A line in two: of slots that are whole, and from a first or last one that is not to the slot beside it. */
export function divided(values: Values, { cut, open }: Pick<Frame, "cut" | "open">): { whole: Values; part: Values } {
  const last = values.length - 1;
  const isPart = (index: number) => (cut && index === 0) || (open && index === last);
  return {
    whole: values.map((value, index) => (isPart(index) ? null : value)),
    part: values.map((value, index) => ([index - 1, index, index + 1].some((one) => one >= 0 && one <= last && isPart(one)) ? value : null)),
  };
}
