import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { rootRoute } from "../../root";
import { ownPath } from "./ownPath";

export interface SignInSearch {
  /** Where to go afterwards: a path of the console. */
  to?: string;
  /** Why the company's own sign-in did not work. */
  problem?: string;
}

export const welcomeRoutes = [
  createRoute({
    getParentRoute: () => rootRoute,
    path: "/sign-in",
    validateSearch: (search: Record<string, unknown>): SignInSearch => ({
      to: ownPath(search["to"]),
      problem: typeof search["problem"] === "string" ? search["problem"] : undefined,
    }),
    component: lazyRouteComponent(() => import("./SignIn"), "SignIn"),
  }),
  createRoute({
    getParentRoute: () => rootRoute,
    path: "/welcome",
    component: lazyRouteComponent(() => import("./Welcome"), "Welcome"),
  }),
] as const;
