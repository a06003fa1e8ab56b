/** What the addresses of these pages hold. */
import { text } from "../../parts/address";
import { isVersion } from "./versions";

export const TABS = ["content", "versions", "differences", "lineage", "edit", "try", "propose"] as const;
export type Tab = (typeof TABS)[number];

export interface PromptsSearch {
  /** Words that the name must have. */
  q?: string;
  show?: "proposals";
}

export interface PromptSearch {
  tab?: Tab;
  /** The version that is looked at, and that an edit begins with; without it the newest. */
  version?: string;
  /** Of a proposal, whose `version` is opened as a draft. */
  branch?: string;
  /** The partial that is edited; without it the prompt's own file. */
  part?: string;
  /** What is compared. */
  from?: string;
  to?: string;
  /** What is tried side by side: `draft` and versions; and the model aliases, empty for the prompt's own. */
  tried?: string[];
  models?: string[];
  /** A run of a draft against a suite, which goes on when its page is left. */
  run?: string;
}

/** The version of a prompt that a file is, if it is one: YAML, or a bare text, whose name may begin with `v`. */
export function versionOf(path: string): { name: string; version: string } | null {
  const [, name, version] = /^prompts\/(?!_)(.+)\/(?:v(?=.*\.(?:txt|md)$))?([^/]+)\.(?:yaml|txt|md)$/.exec(path) ?? [];
  return name && version && isVersion(version) ? { name, version } : null;
}

/** Columns of the playground: more would be no comparison, and each costs money. */
export const MOST_TRIED = 6;

const lanes = (value: unknown): string[] | undefined =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string").slice(0, MOST_TRIED) : undefined;

/** The search part of a prompt's address; what is not one of ours is left out. */
export function promptSearch(search: Record<string, unknown>): PromptSearch {
  return {
    tab: TABS.find((tab) => tab === search["tab"]),
    version: text(search["version"]),
    branch: text(search["branch"]),
    part: text(search["part"]),
    from: text(search["from"]),
    to: text(search["to"]),
    tried: lanes(search["tried"]),
    models: lanes(search["models"]),
    run: text(search["run"]),
  };
}
