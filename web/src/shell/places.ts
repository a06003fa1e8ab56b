/** Where one can go: the navigation, the palette and the keys are all made from this. */
import type { Role } from "../api/session";

export const PLACES = [
  { to: "/", label: "Overview", key: "o", about: "Is it fast, cheap, reliable, good?" },
  { to: "/traces", label: "Traces", key: "t", about: "Every call, and what happened in it" },
  { to: "/sessions", label: "Sessions", key: "n", about: "Conversations, and who had them" },
  { to: "/prompts", label: "Prompts", key: "p", about: "Versions, differences, the playground" },
  { to: "/evals", label: "Evals", key: "e", about: "Suites, runs, verdicts" },
  { to: "/releases", label: "Releases", key: "r", about: "What each environment serves; roll back" },
  { to: "/spend", label: "Spend", key: "s", about: "Money, budgets, keys" },
  { to: "/guards", label: "Guards", key: "g", about: "Findings and policies" },
  { to: "/settings", label: "Settings", key: "c", about: "Health, providers" },
] as const;

export type Place = (typeof PLACES)[number];

/** Pages below those, which the palette knows too. */
export const SUB_PLACES = [
  { to: "/traces", search: { live: true }, label: "Live calls", about: "Traces: new calls appear by themselves" },
  { to: "/sessions", search: { tab: "users" }, label: "Users", about: "Sessions: who had conversations" },
  { to: "/prompts", search: { show: "proposals" }, label: "Proposals", about: "Prompts: changes on branches" },
  { to: "/evals", label: "Suites", about: "Evals: what is demanded of prompts" },
  { to: "/evals/runs", label: "Runs", about: "Evals: how versions did" },
  { to: "/evals/power", label: "Power", about: "Evals: how many cases a difference takes" },
  { to: "/evals/judges", label: "Judges", about: "Evals: how far models that judge agree with people" },
  { to: "/spend/limits", label: "Budgets and limits", about: "Spend: what is left of them" },
  { to: "/spend/keys", label: "Keys", about: "Spend: what applications call with", needs: "admin" },
  { to: "/guards", label: "Findings", about: "Guards: what was found in calls" },
  { to: "/guards/policies", label: "Policies", about: "Guards: what is looked for, and what is done" },
  { to: "/guards/try", label: "Try a text", about: "Guards: what policies would make of it" },
  { to: "/settings", label: "Health", about: "Settings: is anything broken?" },
  { to: "/settings/providers", label: "Providers", about: "Settings: which host gets which secret" },
  { to: "/settings/doctor", label: "Doctor", about: "Settings: what is to be done", needs: "engineer" },
  { to: "/settings/accounts", label: "Accounts", about: "Settings: people and roles", needs: "admin" },
  { to: "/settings/audit", label: "Audit log", about: "Settings: who did what, and is the log whole?", needs: "admin" },
] as const satisfies readonly { to: string; label: string; about: string; search?: object; needs?: Role }[];
