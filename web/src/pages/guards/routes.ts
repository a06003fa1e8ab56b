import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { inside } from "../../root";

export const WINDOWS = ["1h", "24h", "7d", "30d"] as const;

export interface FindingSearch extends PeriodSearch<(typeof WINDOWS)[number]> {
  guard?: string;
}

const guards = createRoute({
  getParentRoute: () => inside,
  path: "/guards",
  component: lazyRouteComponent(() => import("./Guards"), "Guards"),
});

// In a constant of their own: written inside of the call, the types of all routes would be lost.
const pages = [
  createRoute({
    getParentRoute: () => guards,
    path: "/",
    validateSearch: (search: Record<string, unknown>): FindingSearch => ({
      ...readPeriod(search, WINDOWS),
      guard: text(search["guard"]),
    }),
    component: lazyRouteComponent(() => import("./Findings"), "Findings"),
  }),
  createRoute({
    getParentRoute: () => guards,
    path: "/policies",
    component: lazyRouteComponent(() => import("./Policies"), "Policies"),
  }),
  createRoute({
    getParentRoute: () => guards,
    path: "/try",
    component: lazyRouteComponent(() => import("./Try"), "Try"),
  }),
] as const;

export const guardRoutes = [guards.addChildren(pages)] as const;
