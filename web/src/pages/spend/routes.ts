import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { among, flag, number, text } from "../../parts/address";
import { inside } from "../../root";
import { type Days, type Dimension, type Filters, isDimension, readFilters, SPANS } from "./dimensions";

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

export const spendRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/spend",
    validateSearch: (search: Record<string, unknown>): SpendSearch => ({
      ...readFilters(search),
      by: isDimension(search["by"]) ? search["by"] : undefined,
      days: among(number(search["days"]), SPANS),
    }),
    component: lazyRouteComponent(() => import("./Spend"), "Spend"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/limits",
    validateSearch: (search: Record<string, unknown>): LimitsSearch => ({
      q: text(search["q"]),
      act: among(search["act"], LIMIT_ACTS),
      limit: text(search["limit"]),
    }),
    component: lazyRouteComponent(() => import("./Limits"), "Limits"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/keys",
    validateSearch: (search: Record<string, unknown>): KeysSearch => ({ q: text(search["q"]), all: flag(search["all"]) }),
    component: lazyRouteComponent(() => import("./Keys"), "Keys"),
  }),
] as const;
