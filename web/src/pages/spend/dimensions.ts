import { text } from "../../parts/address";

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

/** The filters among an address's search part. */
export function readFilters(search: Record<string, unknown>): Filters {
  const found: Filters = {};
  for (const name of NAMES) {
    const value = text(search[name]);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/** After narrowing by one dimension, what is asked next: who uses the feature, what the tenant uses, ... */
export function following(by: Dimension, filters: Filters): Dimension {
  const after = NAMES.slice(NAMES.indexOf(by) + 1);
  return [...after, ...NAMES].find((name) => name !== by && !(name in filters)) ?? by;
}
