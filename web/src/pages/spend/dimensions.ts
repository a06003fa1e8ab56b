/** What money can be divided by, and narrowed to. */
export const DIMENSIONS = {
  tenant: "Tenant",
  feature: "Feature",
  user: "User",
  model: "Model",
  alias: "Alias",
  provider: "Provider",
  key: "Key",
  prompt: "Prompt",
  version: "Prompt version",
  release: "Release",
  environment: "Environment",
} as const;

export type Dimension = keyof typeof DIMENSIONS;
export const NAMES = Object.keys(DIMENSIONS) as Dimension[];

/** Which calls: a value for each dimension that is narrowed. */
export type Filters = Partial<Record<Dimension, string>>;

export const isDimension = (value: unknown): value is Dimension => typeof value === "string" && Object.hasOwn(DIMENSIONS, value);

/** Days of the past that are shown, today included. */
export const SPANS = [1, 7, 30, 90] as const;
export type Days = (typeof SPANS)[number];
export const isDays = (value: unknown): value is Days => SPANS.some((days) => days === value);

/** The filters among an address's search part. */
export function readFilters(search: Record<string, unknown>): Filters {
  const found: Filters = {};
  for (const name of NAMES) {
    const value = search[name];
    // `?tenant=42` is read as a number.
    if (typeof value === "string" && value) found[name] = value;
    else if (typeof value === "number") found[name] = String(value);
  }
  return found;
}

/** After narrowing by one dimension, what is asked next: who uses the feature, what the tenant uses, ... */
export function following(by: Dimension, filters: Filters): Dimension {
  const after = NAMES.slice(NAMES.indexOf(by) + 1);
  return [...after, ...NAMES].find((name) => name !== by && !(name in filters)) ?? by;
}

export const DAY_NS = 86_400e9;

/** Start of the first of so many days, and how much later than midnight UTC days begin here. Unix nanoseconds. */
export function daysUntil(now: Date, days: number): { since_ns: number; offset_ns: number } {
  const first = new Date(now.getFullYear(), now.getMonth(), now.getDate() - (days - 1));
  const minutes = ((first.getTimezoneOffset() % 1440) + 1440) % 1440;
  return { since_ns: first.getTime() * 1e6, offset_ns: minutes * 60e9 };
}

/** Starts of the days since a midnight, of the hours of one day: as many as have begun. Unix nanoseconds. */
export function slotsSince(since_ns: number, days: number, now_ms = Date.now()): number[] {
  const step_ns = days === 1 ? DAY_NS / 24 : DAY_NS;
  const begun = Math.floor((now_ms * 1e6 - since_ns) / step_ns) + 1;
  return Array.from({ length: Math.max(0, Math.min(begun, days === 1 ? 24 : days)) }, (_, index) => since_ns + index * step_ns);
}
