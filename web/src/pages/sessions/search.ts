/** What the addresses of these pages hold. */
import { text } from "../../parts/address";
import { type PeriodSearch, readPeriod } from "../../parts/period";
import { WINDOWS, type Window } from "../traces/search";

export interface ListSearch extends PeriodSearch<Window> {
  /** `users`: who had conversations; else the conversations. */
  tab?: "users";
  /** An expression: those who have such calls. */
  q?: string;
}

export interface WhoseSearch {
  /** Where several tenants have a session or user of the name. */
  tenant?: string;
}

export interface UserSearch extends WhoseSearch, PeriodSearch<Window> {}

export const listSearch = (search: Record<string, unknown>): ListSearch => ({
  ...readPeriod(search, WINDOWS),
  tab: search["tab"] === "users" ? "users" : undefined,
  q: text(search["q"]),
});

export const whoseSearch = (search: Record<string, unknown>): WhoseSearch => ({ tenant: text(search["tenant"]) });

export const userSearch = (search: Record<string, unknown>): UserSearch => ({ ...readPeriod(search, WINDOWS), ...whoseSearch(search) });
