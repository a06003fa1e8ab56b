import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { inside } from "../../root";
import { isSpan, type Span } from "./spans";

export interface ReleasesSearch {
  /** Text in the names of prompts. */
  q?: string;
}

export interface ServedSearch {
  prompt: string;
  environment: string;
  /** How much of the past the charts show. */
  span?: Span;
}

export const releaseRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/releases",
    validateSearch: (search: Record<string, unknown>): ReleasesSearch => ({ q: text(search["q"]) }),
    component: lazyRouteComponent(() => import("./Releases"), "Releases"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/releases/served",
    validateSearch: (search: Record<string, unknown>): ServedSearch => ({
      prompt: text(search["prompt"]) ?? "",
      environment: text(search["environment"]) ?? "",
      span: isSpan(search["span"]) ? search["span"] : undefined,
    }),
    component: lazyRouteComponent(() => import("./Served"), "Served"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/releases/$id",
    component: lazyRouteComponent(() => import("./Release"), "ReleasePage"),
  }),
] as const;
