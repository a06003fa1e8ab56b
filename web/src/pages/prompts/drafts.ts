/** The draft that a person writes of a prompt, and what the API says about it. */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { ApiError, answer, api } from "../../api/client";
import type { Registration, Variable } from "../../api/schema";
import { sessionQuery } from "../../api/session";
import { useSettled } from "../../parts/settled";
import { read, textKey, useKept, useKeptAll, write } from "../../parts/kept";
import { isRecord } from "../../parts/records";
import { versionOf } from "./address";
import { asYaml, isBare } from "./bare";
import { partialOf } from "./partials";
import type { Past } from "./past";
import type { VariableSet } from "./variables";
import { nextVersion, takenBy } from "./versions";

/** What is written, not yet in any file. */
export interface Draft {
  /** The version it began with; empty for a prompt that is new. */
  base: string;
  /** Of the proposal that it began with; without it `base` is a file of the project. */
  branch?: string;
  version: string;
  text: string;
  /** Texts by name of the partials that it has otherwise than the project. */
  partials?: Readonly<Record<string, string>>;
  /** The commits that had these as they began, by name: what others change of one after its own is not taken back. */
  commits?: Readonly<Record<string, string>>;
  /** The branch that it was proposed as last, and whether it is as it was then. */
  proposed?: { branch: string; same: boolean };
}

/** A version that is only proposed, to begin with. */
export interface Opened {
  branch: string;
  version: string;
}

export interface Drafting {
  draft: Draft;
  /** Versions that there are, whose numbers it cannot have. */
  taken: readonly string[];
  /** The text it began with, and the partials that were not the project's then. */
  original: string;
  begun: Readonly<Record<string, string>>;
  /** Is a text another than at the beginning? */
  changed: boolean;
  /** Does this browser keep it? It does while anything differs from the beginning, its number too. */
  kept: boolean;
  /** The version that it would begin with now, if that is another: there is a newer one, or one was asked for. */
  passed: string;
  /** What can be undone in its files. */
  past: Past;
  change: (part: Partial<Omit<Draft, "proposed">>) => void;
  discard: () => void;
}

const BEGINNING = `description: What this prompt is for.
owner: your-team
model: MODEL
variables:
  question: {type: string, description: What the user asks.}
messages:
  - role: system
    content: |
      You answer briefly and say so when you do not know.
  - role: user
    content: "{{ question }}"
`;

const isDraft = (value: unknown): value is Draft =>
  isRecord(value) &&
  ["base", "version", "text"].every((part) => typeof value[part] === "string") &&
  (value["branch"] === undefined || typeof value["branch"] === "string") &&
  (value["proposed"] === undefined || isProposal(value["proposed"])) &&
  ["partials", "commits"].every((part) => value[part] === undefined || isTexts(value[part]));

const isProposal = (value: unknown): value is NonNullable<Draft["proposed"]> =>
  isRecord(value) && typeof value["branch"] === "string" && typeof value["same"] === "boolean";

const isTexts = (value: unknown): value is Record<string, string> => isRecord(value) && Object.values(value).every((text) => typeof text === "string");

const isSets = (value: unknown): value is VariableSet[] =>
  Array.isArray(value) && value.every((one) => isRecord(one) && typeof one["name"] === "string" && isRecord(one["typed"]));

function useKey(kind: "draft" | "variables", name: string): string {
  const { data } = useQuery(sessionQuery);
  return textKey(kind, data?.actor ?? "", name);
}

/** The person's drafts of other prompts, by name. */
export function useOtherDrafts(name: string): readonly (readonly [string, Draft])[] {
  const all = useKeptAll(useKey("draft", ""), isDraft);
  return all.filter(([other]) => other !== name);
}

/** Note that drafts were proposed as a branch. One that another window has changed meanwhile was not: it stays as it is. */
export function useProposed(): (drafts: readonly (readonly [string, Draft])[], branch: string) => void {
  const beginning = useKey("draft", "");
  return (drafts, branch) => {
    for (const [name, draft] of drafts) {
      const now = read(beginning + name);
      if (now === null || now === JSON.stringify(draft)) write(beginning + name, JSON.stringify({ ...draft, proposed: { branch, same: true } }));
    }
  };
}

/** Where the file of a draft would stand. */
export const pathOf = (name: string, version: string): string => `prompts/${name}/${version}.yaml`;

/** What a version is written in. */
export interface Written {
  /** Of its own file. */
  path: string;
  text: string;
  /** Texts by name of the partials that its proposal changes, and the commits that they were written for. */
  partials: Readonly<Record<string, string>>;
  commits: Readonly<Record<string, string>>;
}

/** A version's file, of the project or of a proposal; null when it has none there. */
export const fileQuery = (name: string, version: string, branch = "") =>
  queryOptions({
    queryKey: ["prompts", "file", name, version, branch],
    queryFn: async ({ signal }): Promise<Written | null> => {
      try {
        if (branch) return await proposed(branch, name, version, signal);
        const { path, text } = await answer(api.GET("/api/v1/files/prompts/{name}", { params: { path: { name }, query: { version } }, signal }));
        return { path, text, partials: NONE, commits: NONE };
      } catch (error) {
        // It was registered over the API, is on a branch that is not checked out, or its proposal is gone.
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });

async function proposed(branch: string, name: string, version: string, signal: AbortSignal): Promise<Written> {
  const file = (path: string) => answer(api.GET("/api/v1/proposals/file", { params: { query: { branch, path } }, signal }));
  const proposals = await answer(api.GET("/api/v1/proposals", { signal }));
  const paths = proposals.find((one) => one.branch === branch)?.files ?? [];
  const isOwn = (path: string) => {
    const found = versionOf(path);
    return found?.name === name && found.version === version;
  };
  const own = await file(paths.find(isOwn) ?? pathOf(name, version));
  const partials = await Promise.all(paths.filter(partialOf).map(file));
  const byName = (part: "text" | "base") => Object.fromEntries(partials.map((one) => [partialOf(one.path), one[part]]));
  return { path: own.path, text: own.text, partials: byName("text"), commits: byName("base") };
}

/** The person's draft: the one kept in this browser, else what is opened, else the file of `base` under the next number. */
export function useDraft(name: string, versions: readonly Registration[], base: string, opened: Opened | null, models: readonly string[]) {
  const [kept, keep] = useKept(useKey("draft", name), isDraft);
  const [past] = useState<Past>(() => new Map());
  const { from, branch, asAsked } = startOf(kept, opened, base);
  const file = useQuery({ ...fileQuery(name, from, branch), enabled: from !== "" });
  if (from !== "" && file.data === undefined) return { query: file, drafting: null, noFile: false, bare: "" };
  const model = models[0] ?? "assistant";
  const found = file.data ?? { path: "", text: BEGINNING.replace("MODEL", model), partials: NONE, commits: NONE };
  const bare = isBare(found.path) ? found.path : "";
  const variables = versions.find((one) => one.content.version === from)?.content.variables ?? NONE;
  const begun = bare ? { ...found, text: asYaml(found.text, model, Object.keys(variables)) } : found;
  const fresh = beginning(from, branch, begun, versions);
  const draft = kept ?? fresh;
  const drafting: Drafting = {
    draft,
    taken: takenBy(versions, branch || (draft.proposed?.branch ?? "")),
    original: begun.text,
    begun: begun.partials,
    changed: !sameFiles(draft, fresh),
    kept: kept !== null,
    passed: kept !== null && branch === "" && from !== "" && !opened && base !== from ? base : "",
    past,
    change: (part) => {
      const { proposed } = draft;
      const next = { ...draft, ...part, ...(proposed && { proposed: { ...proposed, same: false } }) };
      const same = sameFiles(next, fresh) && sameTexts(next.commits, fresh.commits) && next.version === fresh.version;
      keep(same && asAsked && !proposed ? null : next);
    },
    discard: () => keep(null),
  };
  return { query: file, drafting, noFile: from !== "" && file.data === null, bare };
}

/** What a draft begins with: the kept one's own beginning, before what the address asks for. */
function startOf(kept: Draft | null, opened: Opened | null, base: string) {
  const asked = { from: opened?.version ?? base, branch: opened?.branch ?? "" };
  const start = kept ? { from: kept.base, branch: kept.branch ?? "" } : asked;
  return { ...start, asAsked: start.from === asked.from && start.branch === asked.branch };
}

/** A draft in which nothing is changed yet. What is only proposed keeps its number. */
function beginning(base: string, branch: string, { text, partials, commits }: Written, versions: readonly Registration[]): Draft {
  if (branch) return { base, branch, version: base, text, partials, commits };
  const numbers = versions.map((one) => one.content.version);
  return { base, version: nextVersion(numbers, "minor"), text };
}

const sameFiles = (one: Draft, other: Draft): boolean => one.text === other.text && sameTexts(one.partials, other.partials);

function sameTexts(some: Readonly<Record<string, string>> = NONE, others: Readonly<Record<string, string>> = NONE): boolean {
  const names = Object.keys(some);
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name]);
}

/** Values that a person tries a prompt with, kept in this browser. There is always one set. */
export function useSets(name: string): [VariableSet[], (sets: VariableSet[]) => void] {
  const [kept, keep] = useKept(useKey("variables", name), isSets);
  return [kept?.length ? kept : FIRST, keep];
}

const FIRST: VariableSet[] = [{ name: "Values 1", typed: {} }];

/** The newest value that there was: what cannot be had now is shown as it last could. */
function useLast<T>(value: T | undefined): T | undefined {
  const [last, setLast] = useState(value);
  if (value !== undefined && value !== last) setLast(value);
  return value ?? last;
}

/** A draft as the API takes it. */
export const sent = (name: string, { version, text, partials = NONE }: Pick<Draft, "version" | "text" | "partials">) => ({ name, version, text, partials });

/** What lint finds in a draft. */
export function useFindings(name: string, draft: Draft) {
  const body = sent(name, useSettled(draft));
  return useQuery({
    queryKey: ["drafts", "lint", body],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/drafts/lint", { body, signal })),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
}

export type Finding = NonNullable<ReturnType<typeof useFindings>["data"]>[number];

/** A draft with values in it, and what a call costs: as it was when it could last be read, with the error why not now. */
export function usePreview(name: string, draft: Draft, values: Record<string, unknown>) {
  const settled = useSettled(draft);
  const variables = useSettled(values);
  const body = { ...sent(name, settled), variables, environment: "production" };
  const query = useQuery({
    queryKey: ["drafts", "preview", body],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/drafts/preview", { body, signal })),
    placeholderData: keepPreviousData,
    gcTime: 0,
    retry: false,
  });
  return { query, preview: useLast(query.data) };
}

/** The variables that the draft declares, as they were when it could last be read. */
export function useVariables(name: string, draft: Draft): Record<string, Variable> {
  return usePreview(name, draft, NONE).preview?.variables ?? NONE;
}

const NONE = {};

const LIMIT = "console-playground";

/** What the person who is signed in may still spend on trying today; null as long as nothing was spent. */
export function useLeft() {
  const { data: session } = useQuery(sessionQuery);
  return useQuery({
    queryKey: ["usage", "playground", session?.actor],
    queryFn: async ({ signal }) => {
      const limits = await answer(api.GET("/api/v1/limits", { params: { query: { name: LIMIT, limit: 1000 } }, signal }));
      return limits.find((limit) => limit.measure === "money" && limit.of["user"] === session?.actor) ?? null;
    },
    enabled: session != null,
  });
}
