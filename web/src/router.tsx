import type { QueryClient } from "@tanstack/react-query";
import { createRouter } from "@tanstack/react-router";

import { evalRoutes } from "./pages/evals/routes";
import { guardRoutes } from "./pages/guards/routes";
import { overviewRoutes } from "./pages/overview/routes";
import { promptRoutes } from "./pages/prompts/routes";
import { releaseRoutes } from "./pages/releases/routes";
import { sessionRoutes } from "./pages/sessions/routes";
import { settingRoutes } from "./pages/settings/routes";
import { spendRoutes } from "./pages/spend/routes";
import { traceRoutes } from "./pages/traces/routes";
import { welcomeRoutes } from "./pages/welcome/routes";
import { inside, rootRoute } from "./root";
import { parseSearch, stringifySearch } from "./parts/address";
import { Loading } from "./parts/States";
import { Broken } from "./shell/Broken";

const tree = rootRoute.addChildren([
  ...welcomeRoutes,
  inside.addChildren([
    ...overviewRoutes,
    ...traceRoutes,
    ...sessionRoutes,
    ...promptRoutes,
    ...evalRoutes,
    ...releaseRoutes,
    ...spendRoutes,
    ...guardRoutes,
    ...settingRoutes,
  ]),
]);

/** All pages. A page is a folder in pages/, its addresses are in its `routes.ts`, and it is named above. */
export function makeRouter(queries: QueryClient) {
  return createRouter({
  parseSearch,
  stringifySearch,
    routeTree: tree,
    context: { queries },
    defaultPreload: "intent",
    defaultPendingComponent: () => <Loading />,
    defaultErrorComponent: Broken,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
