/** Answers of the API about arms, made into lines and rows. */
import type { Scores, Usages } from "../../api/schema";
import type { Series } from "../../parts/Chart";
import { type Interval, mean, wilson } from "./intervals";

export interface ArmAnswers {
  times: readonly number[];
  totals: readonly Usages[];
  series: readonly Usages[];
  scores: readonly Scores[];
  scored: readonly Scores[];
}

export interface ArmRow {
  /** Name of the arm, or id of the release. */
  arm: string;
  calls: number;
  errors: Interval | null;
  p50_ns: number | null;
  p95_ns: number | null;
  /** Picodollars; null when nothing is priced. */
  cost: number | null;
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
      errors: total ? wilson(total.errors, total.calls) : null,
      p50_ns: total?.timed ? total.p50_ns : null,
      p95_ns: total?.timed ? total.p95_ns : null,
      cost: perCall(total),
      scores: new Map(scores),
    };
  });
}

/** What people and scorers said, together. */
function opinion(said: readonly Scores[]): Interval | null {
  const sum = (of: (one: Scores) => number) => said.reduce((all, one) => all + of(one), 0);
  return mean(sum((one) => one.count), sum((one) => one.total), sum((one) => one.squares));
}

/** Of what is priced and was not refused before any attempt: those cost nothing. */
function perCall(found: Usages | undefined): number | null {
  const priced = found ? found.calls - found.refused - found.unpriced : 0;
  return found && priced > 0 ? found.cost / priced : null;
}

type Pick = (found: Usages) => Interval | number | null;

export const MEASURES = {
  calls: (found) => found.calls,
  errors: (found) => wilson(found.errors, found.calls),
  p50: (found) => (found.timed ? found.p50_ns : null),
  p95: (found) => (found.timed ? found.p95_ns : null),
  cost: perCall,
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
  const part = (of: (one: Interval) => number) => found.map((one) => (one === null ? null : typeof one === "number" ? one : of(one)));
  const banded = found.some((one) => one !== null && typeof one !== "number");
  return {
    label,
    values: part((one) => one.value),
    band: banded ? { low: part((one) => one.low), high: part((one) => one.high) } : undefined,
  };
}
