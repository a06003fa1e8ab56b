import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { followTouches } from "./api/attended";
import { ApiError } from "./api/client";
import { followSession, sessionQuery } from "./api/session";
import { startTheme } from "./parts/theme";
import { inside } from "./root";
import { makeRouter } from "./router";
import { nameMissingParts } from "./shell/missing";
import "./theme.css";

startTheme();
nameMissingParts();

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The server says what changed; see api/events.ts.
      staleTime: 15_000,
      // What was refused is refused again; only a server that is away comes back.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});
followSession(queries);
followTouches(document);

// Who is signed in and what the page is made of come side by side.
const router = makeRouter(queries);
const [matched] = router.getMatchedRoutes(window.location.pathname);
for (const route of matched) {
  // What goes wrong here is asked again by the page, which says so.
  if (route === inside) queries.query(sessionQuery).catch(() => undefined);
  router.loadRouteChunk(route)?.catch(() => undefined);
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
