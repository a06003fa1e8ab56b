/** The two routes that all others stand below: the page itself, and what only those see who are signed in. */
import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, redirect } from "@tanstack/react-router";

import { sessionQuery } from "./api/session";
import { Loading } from "./parts/States";
import { Broken } from "./shell/Broken";
import { NotFound } from "./shell/NotFound";
import { Shell } from "./shell/Shell";

export interface Context {
  queries: QueryClient;
}

export const rootRoute = createRootRouteWithContext<Context>()({
  // Here nothing stands around them, as the shell does around pages.
  notFoundComponent: () => (
    <main className="alone">
      <NotFound />
    </main>
  ),
  errorComponent: (props) => (
    <main className="alone">
      <Broken {...props} />
    </main>
  ),
  pendingComponent: () => (
    <main className="alone">
      <Loading />
    </main>
  ),
});

/** Pages for people who are signed in. */
export const inside = createRoute({
  getParentRoute: () => rootRoute,
  id: "inside",
  beforeLoad: async ({ context, location }) => {
    const session = await context.queries.query({ ...sessionQuery, staleTime: "static" });
    if (!session) throw redirect({ to: "/sign-in", search: { to: location.href }, replace: true });
  },
  component: Shell,
  notFoundComponent: NotFound,
});
