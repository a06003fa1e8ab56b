/** Answers of the API about arms, made into lines and rows. */
import type { Measures, Scores } from "../../api/schema";
import type { Series } from "../../parts/Chart";
import { type Interval, mean } from "./intervals";

export interface ArmAnswers {
  times: readonly number[];
  /** When the time began. */
  since_ns: number;
  /** When it was asked, of a time that goes on: the last slot is not over yet. */
  until_ns: number;
  past: boolean;
  totals: readonly Measures[];
  series: readonly Measures[];
  scores: readonly Scores[];
  scored: readonly Scores[];
}

export interface ArmRow {
  /** Name of the arm, or id of the release. */
  arm: string;
  calls: number;
  /** How many calls have a latency, and how many a cost. */
  timed: number;
  priced: number;
  errors: Interval | null;
  /** Nanoseconds. */
  p50: Interval | null;
  p95: Interval | null;
  /** Picodollars a call; null when nothing is priced. */
  cost: Interval | null;
  /** By the score's name. */
  scores: Map<string, Interval>;
}

/** Names of scores, those said most first. */
export function scoreNames(scores: readonly Scores[]): string[] {
  const counts = new Map<string, number>();
  for (const one of scores) counts.set(one.name, (counts.get(one.name) ?? 0) + one.count);
  return [...counts].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

/** One row for each arm, in this order; an arm without calls has a row too. */
export function rows(arms: readonly string[], answers: ArmAnswers): ArmRow[] {
  const names = scoreNames(answers.scores);
  return arms.map((arm) => {
    const total = answers.totals.find((one) => one.group[0] === arm);
    const scores = names.flatMap((name): [string, Interval][] => {
      const found = opinion(answers.scores.filter((one) => one.group[0] === arm && one.name === name));
      return found ? [[name, found]] : [];
    });
    return {
      arm,
      calls: total?.calls ?? 0,
      timed: total?.timed ?? 0,
      priced: total?.priced ?? 0,
      errors: total?.error_rate ?? null,
      p50: total?.p50_ns ?? null,
      p95: total?.p95_ns ?? null,
      cost: total?.cost ?? null,
      scores: new Map(scores),
    };
  });
}

/** What people and scorers said, together. */
function opinion(said: readonly Scores[]): Interval | null {
  const sum = (of: (one: Scores) => number) => said.reduce((all, one) => all + of(one), 0);
  return mean(sum((one) => one.count), sum((one) => one.total), sum((one) => one.squares));
}

/** How many calls an interval takes, of each number. */
export const FEWEST = { p50: 6, p95: 72, cost: 10 };

type Pick = (found: Measures) => Interval | number | null;

export const MEASURES = {
  calls: (found) => found.calls,
  errors: (found) => found.error_rate,
  p50: (found) => found.p50_ns,
  p95: (found) => found.p95_ns,
  cost: (found) => found.cost,
} satisfies Record<string, Pick>;

/** A line for each arm. */
export function lines(arms: readonly string[], label: (arm: string) => string, answers: ArmAnswers, pick: Pick): Series[] {
  return arms.map((arm) => {
    const mine = new Map(answers.series.filter((one) => one.group[0] === arm).map((one) => [one.slot_ns, one]));
    return line(label(arm), answers.times.map((at) => {
      const found = mine.get(at);
      return found ? pick(found) : null;
    }));
  });
}

/** A line for each arm, of the scores of one name. */
export function scoreLines(arms: readonly string[], label: (arm: string) => string, answers: ArmAnswers, name: string): Series[] {
  return arms.map((arm) => {
    const mine = answers.scored.filter((one) => one.group[0] === arm && one.name === name);
    return line(label(arm), answers.times.map((at) => opinion(mine.filter((one) => one.slot_ns === at))));
  });
}

function line(label: string, found: readonly (Interval | number | null)[]): Series {
  const values = found.map((one) => (typeof one === "number" ? one : (one?.value ?? null)));
  // A band has both ends: of an open one, none is drawn.
  const whole = found.map((one) => (one === null || typeof one === "number" || one.low === null || one.high === null ? null : one));
  if (whole.every((one) => one === null)) return { label, values };
  return { label, values, band: { low: whole.map((one) => one?.low ?? null), high: whole.map((one) => one?.high ?? null) } };
}
