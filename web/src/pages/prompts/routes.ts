import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { text } from "../../parts/address";
import { inside } from "../../root";
import { type PromptsSearch, promptSearch } from "./address";

const prompts = createRoute({ getParentRoute: () => inside, path: "/prompts" });

const list = createRoute({
  getParentRoute: () => prompts,
  path: "/",
  validateSearch: (search: Record<string, unknown>): PromptsSearch => ({
    q: text(search["q"]),
    show: search["show"] === "proposals" ? "proposals" : undefined,
  }),
  component: lazyRouteComponent(() => import("./Prompts"), "Prompts"),
});

const prompt = createRoute({
  getParentRoute: () => prompts,
  path: "$",
  validateSearch: promptSearch,
  component: lazyRouteComponent(() => import("./PromptPage"), "PromptPage"),
});

// The list is the index of both: beside it, the other address, which may end with nothing, would come first.
export const promptRoutes = [prompts.addChildren([list, prompt])] as const;
