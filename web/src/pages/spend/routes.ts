import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { keysSearch, limitsSearch, spendSearch } from "./search";

export const spendRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/spend",
    validateSearch: spendSearch,
    component: lazyRouteComponent(() => import("./Spend"), "Spend"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/limits",
    validateSearch: limitsSearch,
    component: lazyRouteComponent(() => import("./Limits"), "Limits"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/spend/keys",
    validateSearch: keysSearch,
    component: lazyRouteComponent(() => import("./Keys"), "Keys"),
  }),
] as const;
