import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { findingSearch } from "./search";

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
