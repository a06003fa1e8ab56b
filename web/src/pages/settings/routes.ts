import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { inside } from "../../root";
import { auditSearch, doctorSearch } from "./search";

const settings = createRoute({
  getParentRoute: () => inside,
  path: "/settings",
  component: lazyRouteComponent(() => import("./Settings"), "Settings"),
});

// In a constant of their own: written inside of the call, the types of all routes would be lost.
const pages = [
  createRoute({
    getParentRoute: () => settings,
    path: "/",
    component: lazyRouteComponent(() => import("./Health"), "Health"),
  }),
  createRoute({
    getParentRoute: () => settings,
    path: "/providers",
    component: lazyRouteComponent(() => import("./Providers"), "Providers"),
  }),
  createRoute({
    getParentRoute: () => settings,
    path: "/doctor",
    validateSearch: doctorSearch,
    component: lazyRouteComponent(() => import("./Doctor"), "Doctor"),
  }),
  createRoute({
    getParentRoute: () => settings,
    path: "/accounts",
    component: lazyRouteComponent(() => import("./Accounts"), "Accounts"),
  }),
  createRoute({
    getParentRoute: () => settings,
    path: "/audit",
    validateSearch: auditSearch,
    component: lazyRouteComponent(() => import("./Audit"), "Audit"),
  }),
] as const;

export const settingRoutes = [settings.addChildren(pages)] as const;
