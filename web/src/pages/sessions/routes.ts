import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { inside } from "../../root";
import { WINDOWS, type Window } from "../traces/search";

export interface ListSearch extends PeriodSearch<Window> {
  /** `users`: who had conversations; else the conversations. */
  tab?: "users";
  /** An expression: those who have such calls. */
  q?: string;
}

export interface WhoseSearch {
  /** Where several tenants have a session or user of the name. */
  tenant?: string;
}

export interface UserSearch extends WhoseSearch, PeriodSearch<Window> {}

export const sessionRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/sessions",
    validateSearch: (search: Record<string, unknown>): ListSearch => ({
      ...readPeriod(search, WINDOWS),
      tab: search["tab"] === "users" ? "users" : undefined,
      q: text(search["q"]),
    }),
    component: lazyRouteComponent(() => import("./Sessions"), "Sessions"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/sessions/$id",
    validateSearch: (search: Record<string, unknown>): WhoseSearch => ({ tenant: text(search["tenant"]) }),
    component: lazyRouteComponent(() => import("./Session"), "Session"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/users/$id",
    validateSearch: (search: Record<string, unknown>): UserSearch => ({ ...readPeriod(search, WINDOWS), tenant: text(search["tenant"]) }),
    component: lazyRouteComponent(() => import("./User"), "User"),
  }),
] as const;
