/** What the address of the list says, and what is asked of the API for it. */
import { flag, number, text } from "../../parts/address";

/** Windows of time that end now, by their name in the address. */
export const WINDOWS = {
  "15m": { label: "15 minutes", ms: 15 * 60_000 },
  "1h": { label: "1 hour", ms: 3_600_000 },
  "24h": { label: "24 hours", ms: 86_400_000 },
  "7d": { label: "7 days", ms: 7 * 86_400_000 },
  "30d": { label: "30 days", ms: 30 * 86_400_000 },
  all: { label: "All time", ms: 0 },
} as const;

export type Window = keyof typeof WINDOWS;

export const DEFAULT_WINDOW: Window = "24h";

export interface TraceSearch {
  /** An expression of the filter language: docs/traces.md. */
  q?: string;
  /** How far back, from now; 24 hours unless it is given. */
  window?: Window;
  /** Instead of a window: from and until when, in Unix milliseconds. */
  from?: number;
  until?: number;
  failed?: true;
  environment?: string;
  model?: string;
  /** New calls appear by themselves. */
  live?: true;
}


function moment(value: unknown): number | undefined {
  const found = number(value);
  return found !== undefined && Number.isSafeInteger(found) && found > 0 ? found : undefined;
}

/** What of an address is a search; the rest is left out. */
export function traceSearch(search: Record<string, unknown>): TraceSearch {
  const window = text(search["window"]);
  return {
    q: text(search["q"]),
    window: window && window in WINDOWS ? (window as Window) : undefined,
    from: moment(search["from"]),
    until: moment(search["until"]),
    failed: flag(search["failed"]),
    environment: text(search["environment"]),
    model: text(search["model"]),
    live: flag(search["live"]),
  };
}

export interface CallFilter {
  q?: string;
  since_ns?: number;
  until_ns?: number;
  failed?: boolean;
  environment?: string;
  model?: string;
  wide: boolean;
}

const NS = 1e6;
const MINUTE = 60_000;

/** The filter that a search is, at a moment (Unix milliseconds). Whole minutes, so that the same question is asked. */
export function filterOf(search: TraceSearch, now: number): CallFilter {
  const length = WINDOWS[search.window ?? DEFAULT_WINDOW].ms;
  const since = search.from ?? (length && search.until === undefined ? Math.floor((now - length) / MINUTE) * MINUTE : undefined);
  return {
    q: search.q,
    since_ns: since === undefined ? undefined : since * NS,
    until_ns: search.until === undefined ? undefined : search.until * NS,
    failed: search.failed,
    environment: search.environment,
    model: search.model,
    // Where no call matches, what applications reported may; the API's own default.
    wide: true,
  };
}

/** Is anything asked for but a time? */
export const isFiltered = (search: TraceSearch): boolean =>
  search.q !== undefined || search.failed === true || search.environment !== undefined || search.model !== undefined;
