import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { compareSearch, powerSearch, runSearch, runsSearch } from "./search";

const evals = createRoute({
  getParentRoute: () => inside,
  path: "/evals",
  component: lazyRouteComponent(() => import("./Evals"), "Evals"),
});

// In a constant of their own: written inside of the call, the types of all routes would be lost.
const tabs = [
  createRoute({
    getParentRoute: () => evals,
    path: "/",
    component: lazyRouteComponent(() => import("./Suites"), "Suites"),
  }),
  createRoute({
    getParentRoute: () => evals,
    path: "/runs",
    validateSearch: runsSearch,
    component: lazyRouteComponent(() => import("./Runs"), "Runs"),
  }),
  createRoute({
    getParentRoute: () => evals,
    path: "/power",
    validateSearch: powerSearch,
    component: lazyRouteComponent(() => import("./Power"), "Power"),
  }),
  createRoute({
    getParentRoute: () => evals,
    path: "/judges",
    component: lazyRouteComponent(() => import("./Judges"), "Judges"),
  }),
] as const;

export const evalRoutes = [
  evals.addChildren(tabs),
  createRoute({
    getParentRoute: () => inside,
    path: "/evals/runs/$id",
    validateSearch: runSearch,
    component: lazyRouteComponent(() => import("./RunPage"), "RunPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/evals/compare",
    validateSearch: compareSearch,
    component: lazyRouteComponent(() => import("./Compare"), "Compare"),
  }),
] as const;
