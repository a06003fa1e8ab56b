/** The draft that a person writes of a prompt, and what the API says about it. */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { ApiError, answer, api } from "../../api/client";
import type { Registration, Variable } from "../../api/schema";
import { sessionQuery } from "../../api/session";
import { useSettled } from "../../parts/settled";
import { useKept, useKeptAll } from "../../parts/kept";
import { type VariableSet, isRecord } from "./variables";
import { nextVersion, takenBy } from "./versions";

/** What is written, not yet in any file. */
export interface Draft {
  /** The version it began with; empty for a prompt that is new. */
  base: string;
  /** Of the proposal that it began with; without it `base` is a file of the project. */
  branch?: string;
  version: string;
  text: string;
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
  /** The text it began with. */
  original: string;
  /** Is the text another than at the beginning? */
  changed: boolean;
  /** Does this browser keep it? It does while anything differs from the beginning, its number too. */
  kept: boolean;
  /** The version that it would begin with now, if that is another: there is a newer one, or one was asked for. */
  passed: string;
  change: (part: Partial<Draft>) => void;
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
  (value["branch"] === undefined || typeof value["branch"] === "string");

const isSets = (value: unknown): value is VariableSet[] =>
  Array.isArray(value) && value.every((one) => isRecord(one) && typeof one["name"] === "string" && isRecord(one["typed"]));

/** Under whose name things are kept: several people may use one browser. */
function useKey(kind: string, name: string): string {
  const { data } = useQuery(sessionQuery);
  return `moat-${kind} ${data?.actor ?? ""} ${name}`;
}

/** The person's drafts of other prompts, by name. */
export function useOtherDrafts(name: string): readonly (readonly [string, Draft])[] {
  const all = useKeptAll(useKey("draft", ""), isDraft);
  return all.filter(([other]) => other !== name);
}

/** Where the file of a version stands, or would. */
export const pathOf = (name: string, version: string): string => `prompts/${name}/${version}.yaml`;

/** The text of a version's file, of the project's or of a proposal's; null when it has none there. */
export const fileQuery = (name: string, version: string, branch = "") =>
  queryOptions({
    queryKey: ["prompts", "file", name, version, branch],
    queryFn: async ({ signal }): Promise<string | null> => {
      const proposed = { params: { query: { branch, path: pathOf(name, version) } }, signal };
      const checkedOut = { params: { path: { name }, query: { version } }, signal };
      try {
        const file = branch ? api.GET("/api/v1/proposals/file", proposed) : api.GET("/api/v1/files/prompts/{name}", checkedOut);
        return (await answer<{ text: string }>(file)).text;
      } catch (error) {
        // It was registered over the API, is on a branch that is not checked out, or its proposal is gone.
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });

/** The person's draft: the one kept in this browser, else what is opened, else the file of `base` under the next number. */
export function useDraft(name: string, versions: readonly Registration[], base: string, opened: Opened | null, models: readonly string[]) {
  const [kept, keep] = useKept(useKey("draft", name), isDraft);
  const from = kept?.base ?? opened?.version ?? base;
  const branch = (kept ? kept.branch : opened?.branch) ?? "";
  const file = useQuery({ ...fileQuery(name, from, branch), enabled: from !== "" });
  if (from !== "" && file.data === undefined) return { query: file, drafting: null, noFile: false };
  const original = file.data ?? BEGINNING.replace("MODEL", models[0] ?? "assistant");
  const next = nextVersion(
    versions.map((one) => one.content.version),
    "minor",
  );
  const fresh: Draft = branch ? { base: from, branch, version: from, text: original } : { base: from, version: next, text: original };
  const draft = kept ?? fresh;
  const drafting: Drafting = {
    draft,
    taken: takenBy(versions, branch),
    original,
    changed: draft.text !== original,
    kept: kept !== null,
    passed: kept !== null && branch === "" && from !== "" && !opened && base !== from ? base : "",
    change: (part) => {
      const next = { ...draft, ...part };
      const same = next.text === fresh.text && next.version === fresh.version;
      keep(same && from === (opened?.version ?? base) && branch === (opened?.branch ?? "") ? null : next);
    },
    discard: () => keep(null),
  };
  return { query: file, drafting, noFile: from !== "" && file.data === null };
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

/** What lint finds in a draft. */
export function useFindings(name: string, draft: Draft) {
  const { version, text } = useSettled(draft);
  return useQuery({
    queryKey: ["drafts", "lint", name, version, text],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/drafts/lint", { body: { name, version, text }, signal })),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
}

export type Finding = NonNullable<ReturnType<typeof useFindings>["data"]>[number];

/** A draft with values in it, and what a call costs: as it was when it could last be read, with the error why not now. */
export function usePreview(name: string, draft: Draft, values: Record<string, unknown>) {
  const { version, text } = useSettled(draft);
  const variables = useSettled(values);
  const body = { name, version, text, variables, environment: "production" };
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
