import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { type Days, type Dimension, type Filters, isDays, isDimension, readFilters } from "./dimensions";

export interface SpendSearch extends Filters {
  /** What the money is divided by. */
  by?: Dimension;
  days?: Days;
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

const text = (value: unknown): string | undefined => (typeof value === "string" && value ? value : undefined);

export const spendRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/spend",
    validateSearch: (search: Record<string, unknown>): SpendSearch => ({
      ...readFilters(search),
      by: isDimension(search["by"]) ? search["by"] : undefined,
      days: isDays(search["days"]) ? search["days"] : undefined,
    }),
    component: lazyRouteComponent(() => import("./Spend"), "Spend"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/limits",
    validateSearch: (search: Record<string, unknown>): LimitsSearch => ({
      q: text(search["q"]),
      act: LIMIT_ACTS.find((act) => act === search["act"]),
      limit: text(search["limit"]),
    }),
    component: lazyRouteComponent(() => import("./Limits"), "Limits"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/keys",
    validateSearch: (search: Record<string, unknown>): KeysSearch => ({ q: text(search["q"]), all: search["all"] === true || undefined }),
    component: lazyRouteComponent(() => import("./Keys"), "Keys"),
  }),
] as const;
