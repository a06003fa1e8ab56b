import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { among, text } from "../../parts/address";
import { inside } from "../../root";

export const WINDOWS = ["1h", "24h", "7d", "30d"] as const;

export interface OverviewSearch {
  window?: (typeof WINDOWS)[number];
  environment?: string;
}

export const overviewRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/",
    validateSearch: (search: Record<string, unknown>): OverviewSearch => ({
      window: among(search["window"], WINDOWS),
      environment: text(search["environment"]),
    }),
    component: lazyRouteComponent(() => import("./Overview"), "Overview"),
  }),
] as const;
