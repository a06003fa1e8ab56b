import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { inside } from "../../root";
import { WINDOWS, type Window } from "../traces/search";

export interface ListSearch {
  /** `users`: who had conversations; else the conversations. */
  tab?: "users";
  /** An expression: those who have such calls. */
  q?: string;
  window?: Window;
}

export interface WhoseSearch {
  /** Where several tenants have a session or user of the name. */
  tenant?: string;
}

export interface UserSearch extends WhoseSearch {
  window?: Window;
}

const window = (value: unknown) => (typeof value === "string" && value in WINDOWS ? (value as Window) : undefined);

export const sessionRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/sessions",
    validateSearch: (search: Record<string, unknown>): ListSearch => ({
      tab: search["tab"] === "users" ? "users" : undefined,
      q: text(search["q"]),
      window: window(search["window"]),
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
    validateSearch: (search: Record<string, unknown>): UserSearch => ({ tenant: text(search["tenant"]), window: window(search["window"]) }),
    component: lazyRouteComponent(() => import("./User"), "User"),
  }),
] as const;
