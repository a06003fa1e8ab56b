/** A limit as it is typed, and as the API has it. */
import type { LimitConfig, LimitRule, LimitState, LimitWish } from "../../api/schema";
import { DOLLAR } from "../../parts/format";

export const SCOPES = ["key", "tenant", "feature", "user", "model", "environment"] as const;
export type Scope = (typeof SCOPES)[number];
export const WINDOWS = ["request", "minute", "hour", "day", "month"] as const;
export type Window = (typeof WINDOWS)[number];
export const MEASURES = { money: "US dollars", tokens: "Tokens", requests: "Requests", concurrent: "Calls at one time" } as const;
export type Measure = keyof typeof MEASURES;
export const ACTIONS = {
  reject: "Refuse calls",
  cap: "Shorten answers to what is left",
  downgrade: "Take the alias's cheaper model",
  disable: "Refuse features that are not critical",
  warn: "Say so in answers, and go on",
  alert: "Say so, and in moat status, and go on",
} as const;
export type Action = keyof typeof ACTIONS;

/** What each person may spend on trying prompts stands elsewhere in the file than the other limits. */
export const PLAYGROUND = "console-playground";

/** What the fields of the form hold. */
export interface Typed {
  name: string;
  per: readonly Scope[];
  /** One value a line. */
  match: Partial<Record<Scope, string>>;
  measure: Measure;
  amount: string;
  window: Window;
  action: Action;
  /** Percent, with commas between. */
  warn: string;
  timezone: string;
}

export const NEW: Typed = { name: "", per: [], match: {}, measure: "money", amount: "", window: "month", action: "reject", warn: "", timezone: "UTC" };

/** Is this what the fields hold, as a browser kept it? */
export function isTyped(value: unknown): value is Typed {
  if (typeof value !== "object" || value === null) return false;
  const { per, match, ...texts } = value as Record<string, unknown>;
  const areTexts = (of: object) => Object.values(of).every((text) => typeof text === "string");
  const names = Object.entries(NEW).flatMap(([name, one]) => (typeof one === "string" ? [name] : []));
  return Array.isArray(per) && areTexts(per) && typeof match === "object" && match !== null && areTexts(match) && names.every((name) => typeof texts[name] === "string");
}

/** Picodollars as dollars that can be typed: 25.00, 0.0005. */
export function dollars(picos: number): string {
  const value = picos / DOLLAR;
  const cents = value.toFixed(2);
  if (Math.abs(Number(cents) - value) <= 2 * Number.EPSILON * value) return cents;
  // Numbers below 0.000001 would be written as 1e-7.
  return value < 1e-6 ? value.toFixed(12).replace(/0+$/, "") : String(value);
}

/** A rule in the fields of the form. */
export function typedOf(rule: LimitRule): Typed {
  return {
    name: rule.limit,
    per: rule.per,
    match: Object.fromEntries(Object.entries(rule.match).map(([scope, values]) => [scope, values.join("\n")])),
    measure: rule.measure,
    amount: rule.measure === "money" ? dollars(rule.amount) : String(rule.amount),
    window: rule.window || (rule.measure === "concurrent" ? "month" : "request"),
    action: rule.action as Action,
    warn: rule.warn_at.map((share) => String(Number((share * 100).toFixed(6)))).join(", "),
    timezone: rule.timezone,
  };
}

/** What is asked of the API; `limit`: the one in whose place it stands, empty for a new one. */
export function wishOf(limit: string, typed: Typed): LimitWish {
  if (limit === PLAYGROUND) return { per_day: typed.amount.trim() };
  const match = Object.entries(typed.match).map(([scope, text]) => [scope, wordsOf(text, "\n")] as const);
  const amount = typed.amount.trim();
  const rule: LimitConfig = {
    name: typed.name.trim(),
    per: [...typed.per],
    match: Object.fromEntries(match.filter(([, values]) => values.length > 0)),
    [typed.measure]: typed.measure === "money" ? amount : Number(amount),
    window: typed.window,
    action: typed.action,
    warn_at: wordsOf(typed.warn, ",").map((percent) => Number((Number(percent.replace("%", "")) / 100).toFixed(8))),
    timezone: typed.timezone.trim() || "UTC",
  };
  return limit ? { limit, rule } : { rule };
}

/** Is there enough to ask the API what it would be? */
export const isWhole = (typed: Typed): boolean => typed.name.trim() !== "" && typed.amount.trim() !== "";

function wordsOf(text: string, between: string): string[] {
  return text
    .split(between)
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** The counter of a limit that is the fullest now; undefined before the first call that it is about. */
export function fullest(limit: string, counters: readonly LimitState[]): LimitState | undefined {
  const own = counters.filter((one) => one.limit === limit);
  return own.reduce<LimitState | undefined>((most, one) => (most && most.used + most.held >= one.used + one.held ? most : one), undefined);
}

/** Is what is typed less than what is used up already, of the same measure? */
export function isBelow(typed: Typed, state: LimitState): boolean {
  if (typed.measure !== state.measure || typed.amount.trim() === "") return false;
  const amount = Number(typed.amount) * (typed.measure === "money" ? DOLLAR : 1);
  return amount < state.used + state.held;
}
