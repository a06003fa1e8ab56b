/** What the address of the overview holds. */
import { text } from "../../parts/address";
import { DAY, type Period, type PeriodSearch, readPeriod } from "../../parts/period";

export const WINDOWS = ["1h", "6h", "24h", "7d", "30d"] as const;

/** What the API looks back at most. */
export const MOST = 90 * DAY;

export type OverviewPeriod = Period<(typeof WINDOWS)[number]>;

export interface OverviewSearch extends PeriodSearch<(typeof WINDOWS)[number]> {
  environment?: string;
}

export const overviewSearch = (search: Record<string, unknown>): OverviewSearch => ({
  ...readPeriod(search, WINDOWS),
  environment: text(search["environment"]),
});
