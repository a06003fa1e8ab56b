/** What the addresses of these pages hold. */
import { among, text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { CALLS, type CallsSearch } from "../../parts/traffic";

export const WINDOWS = ["1h", "24h", "7d", "30d"] as const;

export interface FindingSearch extends PeriodSearch<(typeof WINDOWS)[number]>, CallsSearch {
  guard?: string;
}

/** What of an address is a search. One that names no environment asks for traffic. */
export function findingSearch(search: Record<string, unknown>): FindingSearch {
  const environment = text(search["environment"]);
  const calls = among(search["calls"], CALLS) ?? (environment === undefined ? "traffic" : undefined);
  return { ...readPeriod(search, WINDOWS), guard: text(search["guard"]), environment, calls };
}
