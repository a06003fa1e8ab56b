/** What the address of the list says, and what is asked of the API for it. */
import { among, flag, text } from "../../parts/address";
import { type Bounds, type PeriodSearch, boundsOf, periodOf, readPeriod } from "../../parts/period";
import { CALLS, type CallsSearch, onlyTraffic } from "../../parts/traffic";

/** Windows of pages that list calls, or whose they are. */
export const WINDOWS = ["15m", "1h", "6h", "24h", "today", "7d", "30d", "all"] as const;

export type Window = (typeof WINDOWS)[number];

export const DEFAULT_WINDOW = "24h";

export interface TraceSearch extends PeriodSearch<Window>, CallsSearch {
  /** An expression of the filter language: docs/traces.md. */
  q?: string;
  failed?: true;
  model?: string;
  /** New calls appear by themselves. */
  live?: true;
}

/** What of an address is a search; the rest is left out. One that asks for nothing asks for traffic. */
export function traceSearch(search: Record<string, unknown>): TraceSearch {
  const found: TraceSearch = {
    ...readPeriod(search, WINDOWS),
    q: text(search["q"]),
    failed: flag(search["failed"]),
    environment: text(search["environment"]),
    model: text(search["model"]),
    live: flag(search["live"]),
  };
  return { ...found, calls: among(search["calls"], CALLS) ?? (isFiltered(found) ? undefined : "traffic") };
}

export interface CallFilter extends Bounds {
  q?: string;
  failed?: boolean;
  environment?: string;
  model?: string;
  wide: boolean;
}

/** The filter that a search is, at a moment (Unix milliseconds). */
export function filterOf(search: TraceSearch, now: number): CallFilter {
  return {
    ...boundsOf(periodOf(search, DEFAULT_WINDOW), now),
    q: onlyTraffic(search.calls, search.q),
    failed: search.failed,
    environment: search.environment,
    model: search.model,
    // Where no call matches, what applications reported may; the API's own default.
    wide: true,
  };
}

/** Is anything asked for but a time, or whose calls? */
export const isFiltered = (search: TraceSearch): boolean =>
  search.q !== undefined || search.failed === true || search.environment !== undefined || search.model !== undefined;
