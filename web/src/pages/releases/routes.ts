import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { releasesSearch, servedSearch } from "./search";

export const releaseRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/releases",
    validateSearch: releasesSearch,
    component: lazyRouteComponent(() => import("./Releases"), "Releases"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/releases/served",
    validateSearch: servedSearch,
    component: lazyRouteComponent(() => import("./Served"), "Served"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/releases/$id",
    component: lazyRouteComponent(() => import("./Release"), "ReleasePage"),
  }),
] as const;
