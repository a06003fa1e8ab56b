/** Limits in words. */
import type { LimitState } from "../../api/schema";
import { count, money } from "../../parts/format";

/** An amount in what the limit counts. */
export const amount = (measure: string, value: number): string =>
  measure === "money" ? money(value) : `${count(value)} ${measure === "concurrent" ? "at once" : measure}`;

/** Whose a counter is. */
export const whose = (of: Record<string, string>): string =>
  Object.entries(of)
    .map(([scope, value]) => `${scope} ${value || "(none)"}`)
    .join(", ") || "everybody together";

/** Used and held, of the amount. */
export const usedShare = (state: LimitState): number => (state.amount > 0 ? (state.used + state.held) / state.amount : 1);
