/** What the addresses of these pages hold. */
import { text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { WINDOWS, type Window } from "./spans";

export interface ReleasesSearch {
  /** Text in the names of prompts. */
  q?: string;
}

/** The period is of the charts: everything else of the page is as it is now. */
export interface ServedSearch extends PeriodSearch<Window> {
  prompt: string;
  environment: string;
  /** The window that is open over the page. */
  act?: "rollback";
}

export const releasesSearch = (search: Record<string, unknown>): ReleasesSearch => ({ q: text(search["q"]) });

export const servedSearch = (search: Record<string, unknown>): ServedSearch => ({
  // `span` is how addresses of before say it.
  ...readPeriod({ ...search, window: search["window"] ?? search["span"] }, WINDOWS),
  prompt: text(search["prompt"]) ?? "",
  environment: text(search["environment"]) ?? "",
  act: search["act"] === "rollback" ? "rollback" : undefined,
});
