/** What the addresses of these pages hold. */
import { among, flag, text } from "../../parts/address";
import { type Period, type PeriodSearch, readPeriod } from "../../parts/period";
import { type Dimension, type Filters, isDimension, readFilters } from "./dimensions";

/** Whole days: bills, budgets and the points of the chart are of days. */
export const WINDOWS = ["today", "7days", "30days", "90days"] as const;

const OF_DAYS: Readonly<Record<string, SpendPeriod["window"]>> = { 1: "today", 7: "7days", 30: "30days", 90: "90days" };

export type SpendPeriod = Period<(typeof WINDOWS)[number]>;

export interface SpendSearch extends Filters, PeriodSearch<SpendPeriod["window"]> {
  /** What the money is divided by. */
  by?: Dimension;
}

export const LIMIT_ACTS = ["edit", "new", "remove"] as const;
export type LimitAct = (typeof LIMIT_ACTS)[number];

export interface LimitsSearch {
  /** Text in the names of limits and of whose they are. */
  q?: string;
  /** What somebody is about to propose, and of which limit. */
  act?: LimitAct;
  limit?: string;
}

export interface KeysSearch {
  q?: string;
  /** Revoked and expired ones too. */
  all?: boolean;
}

export const spendSearch = (search: Record<string, unknown>): SpendSearch => ({
  ...readFilters(search),
  // `days` is how addresses of before say it.
  ...readPeriod({ ...search, window: search["window"] ?? OF_DAYS[text(search["days"]) ?? ""] }, WINDOWS),
  by: isDimension(search["by"]) ? search["by"] : undefined,
});

export const limitsSearch = (search: Record<string, unknown>): LimitsSearch => ({
  q: text(search["q"]),
  act: among(search["act"], LIMIT_ACTS),
  limit: text(search["limit"]),
});

export const keysSearch = (search: Record<string, unknown>): KeysSearch => ({ q: text(search["q"]), all: flag(search["all"]) });
