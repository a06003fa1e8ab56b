/** Where one can go: the navigation, the palette and the keys are all made from this. */
export const PLACES = [
  { to: "/", label: "Overview", key: "o", about: "Is it fast, cheap, reliable, good?" },
  { to: "/traces", label: "Traces", key: "t", about: "Every call, and what happened in it" },
  { to: "/sessions", label: "Sessions", key: "n", about: "Conversations, and who had them" },
  { to: "/prompts", label: "Prompts", key: "p", about: "Versions, differences, the playground" },
  { to: "/evals", label: "Evals", key: "e", about: "Suites, runs, verdicts" },
  { to: "/releases", label: "Releases", key: "r", about: "What each environment serves; roll back" },
  { to: "/spend", label: "Spend", key: "s", about: "Money, budgets, keys" },
  { to: "/guards", label: "Guards", key: "g", about: "Findings and policies" },
  { to: "/settings", label: "Settings", key: "c", about: "Providers, keys, accounts, audit" },
] as const;

export type Place = (typeof PLACES)[number];
