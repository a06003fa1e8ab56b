/** Semantic versions, as far as pages need them: https://semver.org */

import type { Registration } from "../../api/schema";
import { isProposed } from "../../parts/unmerged";

export type Part = "major" | "minor" | "patch";

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

export const isVersion = (text: string): boolean => VERSION.test(text);

/** The version after all that there are; 1.0.0 when there is none. `versions`: in ascending order. */
export function nextVersion(versions: readonly string[], part: Part): string {
  const found = VERSION.exec(versions.at(-1) ?? "");
  if (!found) return "1.0.0";
  const [major = 0, minor = 0, patch = 0] = found.slice(1, 4).map(Number);
  const before = found[4] !== undefined;
  if (part === "major") return `${major + 1}.0.0`;
  if (part === "minor") return `${major}.${minor + 1}.0`;
  // A patch finishes what a pre-release began.
  return `${major}.${minor}.${before ? patch : patch + 1}`;
}

/** The newest version that is more than a proposal; the newest of all when there is no other. */
export const settled = (versions: readonly Registration[]): Registration | undefined =>
  versions.filter((one) => !isProposed(one)).at(-1) ?? versions.at(-1);

/** The numbers that a draft cannot have. One that began with a proposal may keep the number of what is proposed. */
export const takenBy = (versions: readonly Registration[], branch: string): string[] =>
  versions.filter((one) => !branch || !isProposed(one)).map((one) => one.content.version);
