/** What to do about a call that failed, by the stable name of its error: docs/errors.md. */
const REMEDIES: Readonly<Record<string, string>> = {
  content_filter: "A guard stopped the question or the answer. Its trace has the findings; the policy says what is let through.",
  approval_required: "A person has to allow the tool call: Guards, or `moat approvals list`.",
  approval_denied: "A person did not allow the tool call.",
  limit_exceeded: "A rate or budget has no room. Spend shows which one and when it resets.",
  price_unknown: "A money limit applies and the model has no price: set one in moat.yaml.",
  provider_error: "The attempts in the trace say what the provider answered.",
  provider_refused: "The provider said no to the request itself: its words are in the attempt of the trace.",
  provider_overloaded: "The provider is busy or its quota is used up. Name another deployment after it in moat.yaml.",
  provider_down: "The provider could not be reached or answered nonsense. Name another deployment after it in moat.yaml.",
  provider_timeout: "No first token in time, or silence. See the provider's health, or the alias's timeouts in moat.yaml.",
  circuit_open: "Every deployment of the alias failed too often and is left alone for a while. Settings shows their health.",
  deadline_passed: "The alias's deadline, over all tries, passed: fewer tries, or a longer deadline in moat.yaml.",
  context_length_exceeded: "The conversation is too long for every model that may answer it.",
  unsupported_operation: "No deployment of the alias offers what the request asks.",
  data_refused: "Data of this class may not go to any deployment of the alias.",
  secret_withheld: "The provider's host changed: trust it in Settings if that is right.",
  address_refused: "The provider's host leads to a private address.",
  stream_cut: "The provider's stream ended without its end mark; what came is kept.",
  client_closed: "The caller hung up before the answer was complete.",
  storage_unavailable: "The store or the disk could not be used: free space on the disk of `.moat/`.",
  overloaded: "The server had as many requests as it takes: server.max_requests in moat.yaml.",
  replay_miss: "The recording has no answer to this request: ask a live model, or record it first.",
  unknown_outcome: "The process that sent it died. Tokens and cost are the most that it may have taken.",
};

/** The page that a remedy speaks of, for its link. */
const PAGES = {
  limit_exceeded: { to: "/spend/limits", label: "Budgets and limits" },
  provider_timeout: { to: "/settings", label: "Health of providers" },
  circuit_open: { to: "/settings", label: "Health of providers" },
  secret_withheld: { to: "/settings/providers", label: "Providers" },
} as const;

/** Where it is done; undefined when it is not done in the console. */
export const place = (code: string): (typeof PAGES)[keyof typeof PAGES] | undefined => (Object.hasOwn(PAGES, code) ? PAGES[code as keyof typeof PAGES] : undefined);

/** In a sentence; empty when the error says it all. */
export const remedy = (code: string): string => REMEDIES[code] ?? "";
