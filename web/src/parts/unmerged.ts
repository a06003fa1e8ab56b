/** Versions that cannot be released, since no file of the project holds them. */
import type { ListedPrompt, ListedVersion, Registration } from "../api/schema";

/** Those that can be released, the oldest first. */
export const releasable = ({ versions }: Pick<ListedPrompt, "versions">): readonly ListedVersion[] => versions.filter((one) => one.releasable);

/** The others, each with why, as in `1.3.0 proposed, not merged`; empty when there are none. */
export const unmerged = ({ versions }: Pick<ListedPrompt, "versions">): string =>
  versions
    .filter((one) => !one.releasable)
    .map((one) => `${one.version} ${whyNot(one.branches)}`)
    .join("; ");

function whyNot(branches: readonly string[]): string {
  if (branches.length === 0) return "on no branch any more";
  return branches.some(isProposal) ? PROPOSED : `not merged from ${branches.join(", ")}`;
}

export const PROPOSED = "proposed, not merged";

const isProposal = (branch: string): boolean => branch.startsWith("propose/");

/** Is a version on branches of proposals only? */
export const isProposed = ({ branches }: Pick<Registration, "branches">): boolean => branches.length > 0 && branches.every(isProposal);
