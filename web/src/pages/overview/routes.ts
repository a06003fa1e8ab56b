import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { overviewSearch } from "./search";

export const overviewRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/",
    validateSearch: overviewSearch,
    component: lazyRouteComponent(() => import("./Overview"), "Overview"),
  }),
] as const;
