/** The draft that a person writes of a prompt, and what the API says about it. */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { ApiError, answer, api } from "../../api/client";
import type { Registration, Variable } from "../../api/schema";
import { sessionQuery } from "../../api/session";
import { useKept } from "./kept";
import { type VariableSet, isRecord } from "./variables";
import { nextVersion } from "./versions";

/** What is written, not yet in any file. */
export interface Draft {
  /** The version it began with; empty for a prompt that is new. */
  base: string;
  version: string;
  text: string;
}

export interface Drafting {
  draft: Draft;
  /** The text it began with. */
  original: string;
  /** Is anything written that would be lost? */
  changed: boolean;
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
  isRecord(value) && ["base", "version", "text"].every((part) => typeof value[part] === "string");

const isSets = (value: unknown): value is VariableSet[] =>
  Array.isArray(value) && value.every((one) => isRecord(one) && typeof one["name"] === "string" && isRecord(one["typed"]));

/** Under whose name things are kept: several people may use one browser. */
function useKey(kind: string, name: string): string {
  const { data } = useQuery(sessionQuery);
  return `moat-${kind} ${data?.actor ?? ""} ${name}`;
}

/** The text of a version's file; null when it has none here. */
export const fileQuery = (name: string, version: string) =>
  queryOptions({
    queryKey: ["prompts", "file", name, version],
    queryFn: async ({ signal }): Promise<string | null> => {
      try {
        const path = { params: { path: { name }, query: { version } }, signal };
        return (await answer(api.GET("/api/v1/files/prompts/{name}", path))).text;
      } catch (error) {
        // It was registered over the API, or is on a branch that is not checked out.
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
  });

/** The person's draft: the one kept in this browser, else the file of `base` under the next version's number. */
export function useDraft(name: string, versions: readonly Registration[], base: string, models: readonly string[]) {
  const [kept, keep] = useKept(useKey("draft", name), isDraft);
  const from = kept?.base ?? base;
  const file = useQuery({ ...fileQuery(name, from), enabled: from !== "" });
  if (from !== "" && file.data === undefined) return { query: file, drafting: null, noFile: false };
  const original = file.data ?? BEGINNING.replace("MODEL", models[0] ?? "assistant");
  const next = nextVersion(
    versions.map((one) => one.content.version),
    "minor",
  );
  const draft = kept ?? { base: from, version: next, text: original };
  const drafting: Drafting = {
    draft,
    original,
    changed: draft.text !== original,
    change: (part) => keep({ ...draft, ...part }),
    discard: () => keep(null),
  };
  return { query: file, drafting, noFile: from !== "" && file.data === null };
}

/** Values that a person tries a prompt with, kept in this browser. There is always one set. */
export function useSets(name: string): [VariableSet[], (sets: VariableSet[]) => void] {
  const [kept, keep] = useKept(useKey("variables", name), isSets);
  return [kept?.length ? kept : [{ name: "Values 1", typed: {} }], keep];
}

/** A value once it has been left alone for a moment. */
export function useSettled<T>(value: T, ms = 350): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

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
