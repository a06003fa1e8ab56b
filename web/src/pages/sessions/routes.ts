import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { listSearch, userSearch, whoseSearch } from "./search";

export const sessionRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/sessions",
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import("./Sessions"), "Sessions"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/sessions/$id",
    validateSearch: whoseSearch,
    component: lazyRouteComponent(() => import("./Session"), "Session"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/users/$id",
    validateSearch: userSearch,
    component: lazyRouteComponent(() => import("./User"), "User"),
  }),
] as const;
