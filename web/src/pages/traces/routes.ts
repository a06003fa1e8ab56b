import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { inside } from "../../root";
import { traceSearch } from "./search";

export interface OneSearch {
  /** Span whose detail is shown. */
  span?: string;
}

export interface CompareSearch {
  /** Trace or request ids. */
  a?: string;
  b?: string;
}

export const traceRoutes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/traces",
    validateSearch: traceSearch,
    component: lazyRouteComponent(() => import("./Traces"), "Traces"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/traces/compare",
    validateSearch: (search: Record<string, unknown>): CompareSearch => ({ a: text(search["a"]), b: text(search["b"]) }),
    component: lazyRouteComponent(() => import("./Compare"), "Compare"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/traces/$id",
    validateSearch: (search: Record<string, unknown>): OneSearch => ({ span: text(search["span"]) }),
    component: lazyRouteComponent(() => import("./Trace"), "Trace"),
  }),
] as const;
