import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { among, text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { CALLS, type CallsSearch } from "../../parts/traffic";
import { inside } from "../../root";

export const WINDOWS = ["1h", "24h", "7d", "30d"] as const;

export interface FindingSearch extends PeriodSearch<(typeof WINDOWS)[number]>, CallsSearch {
  guard?: string;
}

/** What of an address is a search. One that names no environment asks for traffic. */
function findingSearch(search: Record<string, unknown>): FindingSearch {
  const environment = text(search["environment"]);
  const calls = among(search["calls"], CALLS) ?? (environment === undefined ? "traffic" : undefined);
  return { ...readPeriod(search, WINDOWS), guard: text(search["guard"]), environment, calls };
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
    validateSearch: findingSearch,
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
