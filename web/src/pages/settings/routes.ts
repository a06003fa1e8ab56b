import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { flag, text } from "../../parts/address";
import { inside } from "../../root";

export interface AuditSearch {
  actor?: string;
  /** An action, or its first word. */
  action?: string;
  subject?: string;
}

export interface DoctorSearch {
  /** Are providers' hosts asked too? */
  providers?: boolean;
  /** Are the checks shown too that found nothing? */
  all?: boolean;
}

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
    validateSearch: (search: Record<string, unknown>): DoctorSearch => ({
      providers: flag(search["providers"]),
      all: flag(search["all"]),
    }),
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
    validateSearch: (search: Record<string, unknown>): AuditSearch => ({
      actor: text(search["actor"]),
      action: text(search["action"]),
      subject: text(search["subject"]),
    }),
    component: lazyRouteComponent(() => import("./Audit"), "Audit"),
  }),
] as const;

export const settingRoutes = [settings.addChildren(pages)] as const;
