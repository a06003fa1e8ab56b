/** The files that a draft consists of: its own, and the partials that it includes. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { ApiError, answer, api } from "../../api/client";
import type { PartialText, PartialUse } from "../../api/schema";
import { of } from "../../parts/records";
import { type Draft, type Drafting, pathOf } from "./drafts";
import { includes, including, nextName, partialPath, reached } from "./partials";

/** A partial of a draft. */
export interface Part {
  name: string;
  /** As the draft has it; null when there is none of this name. */
  text: string | null;
  /** As the draft began with it: of the project, or of the proposal that was opened. */
  original: string | null;
  /** Does the draft have it otherwise than the project? */
  own: boolean;
  /** As the project has it now; null when it has none. */
  project: string | null;
  /** That changed it last in the project; empty when the project has none. */
  commit: string;
  /** Has somebody else changed it in the project since the draft took it, and not to what the draft has? */
  passed: boolean;
  /** Has the project's file changes that are in no commit? */
  edited: boolean;
  /** The versions that include it in the project. */
  uses: readonly PartialUse[];
}

/** A file as a proposal takes it. */
export interface File {
  path: string;
  text: string;
  /** The commit that it was written for; empty when that does not matter. */
  base: string;
}

export interface Parts {
  /** In the order in which they are met. */
  parts: readonly Part[];
  /** Partials that the draft keeps though nothing includes them: they are neither tried nor proposed. */
  loose: readonly string[];
  /** The files that a proposal of the draft has, its own first. */
  files: readonly File[];
  error: Error | null;
  /** Are all of them known? */
  settled: boolean;
}

/** A partial of the project, null when it has none of this name. */
async function fetched(name: string, signal?: AbortSignal): Promise<PartialText | null> {
  try {
    return await answer(api.GET("/api/v1/files/partials/{name}", { params: { path: { name } }, ...(signal ? { signal } : {}) }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

type Found = Record<string, PartialText | null>;

const NOTHING: Found = {};

/** All that a draft includes, as the project has it. */
function useFound(draft: Draft) {
  const { text, partials = {} } = draft;
  // What is typed asks anew only when it includes something else.
  const own = Object.entries(partials).map(([name, source]) => [name, ...includes(source)]);
  return useQuery({
    queryKey: ["prompts", "partials", includes(text), own],
    queryFn: ({ signal }) => found(draft, signal),
    placeholderData: (before) => before,
  });
}

async function found({ text, partials = {} }: Draft, signal?: AbortSignal): Promise<Found> {
  const all: Found = {};
  const missing = () => reached(text, (name) => of(partials, name) ?? of(all, name)?.text ?? null).filter((name) => !Object.hasOwn(all, name));
  for (let names = missing(); names.length > 0; names = missing()) {
    const pieces = await Promise.all(names.map((name) => fetched(name, signal)));
    names.forEach((name, index) => (all[name] = pieces[index] ?? null));
  }
  return all;
}

/** The files that a proposal of a draft has, its own first. Throws an `ApiError`. */
export async function filesOf(name: string, draft: Draft): Promise<File[]> {
  return written(name, draft, await found(draft));
}

function written(name: string, draft: Draft, all: Found): File[] {
  const { text, partials = {}, commits = {} } = draft;
  const included = reached(text, (one) => of(partials, one) ?? of(all, one)?.text ?? null);
  const changed = included.flatMap((one) => {
    const text = of(partials, one);
    if (text === undefined) return [];
    const project = of(all, one);
    // Where others have come to the same text, nothing of theirs would be taken back.
    return [{ path: partialPath(one), text, base: (project?.text === text ? project.commit : of(commits, one)) ?? "" }];
  });
  return [{ path: pathOf(name, draft.version), text, base: "" }, ...changed];
}

/** What a draft consists of. */
export function useParts(name: string, { draft, begun }: Drafting): Parts {
  const query = useFound(draft);
  const all = query.data ?? NOTHING;
  const own = draft.partials ?? {};
  const names = reached(draft.text, (one) => of(own, one) ?? of(all, one)?.text ?? null);
  const parts = names.map((one) => partOf(one, draft, of(begun, one), of(all, one)));
  return {
    parts,
    loose: Object.keys(own).filter((one) => !names.includes(one)),
    files: written(name, draft, all),
    error: query.error,
    settled: query.isSuccess && !query.isPlaceholderData && names.every((one) => Object.hasOwn(all, one)),
  };
}

/** A partial as a draft has it: with its text of the beginning when that was not the project's, and as the project has it. */
export function partOf(name: string, { partials = {}, commits = {}, branch }: Draft, begun: string | undefined, found: PartialText | null | undefined): Part {
  const own = of(partials, name);
  const project = found?.text ?? null;
  const commit = found?.commit ?? "";
  const isOther = commit !== (of(commits, name) ?? "") && project !== own;
  return {
    name,
    text: own ?? project,
    original: begun ?? project,
    own: own !== undefined,
    project,
    commit,
    // What the project does not have may be new in the proposal that was opened.
    passed: own !== undefined && found !== undefined && isOther && (project !== null || !branch),
    edited: found?.edited ?? false,
    uses: found?.used_by ?? [],
  };
}

/** The published versions that a partial is a part of: their texts do not change. */
export const publishedUses = (part: Part): readonly PartialUse[] => part.uses.filter((use) => use.published);

/** The files of several drafts, each once. Throws an error that names one that two drafts have differently. */
export function together(drafts: readonly (readonly File[])[]): File[] {
  const files = new Map<string, File>();
  for (const file of drafts.flat()) {
    const before = files.get(file.path) ?? file;
    if (before.text !== file.text) throw new Error(`Two of the drafts have ${file.path} differently: propose them one after the other.`);
    files.set(file.path, { ...file, base: before.base || file.base });
  }
  return [...files.values()];
}

/** How a draft's partials are changed. */
export function usePartChanges(drafting: Drafting, { parts, loose }: Parts) {
  const latest = useRef({ drafting, parts });
  useEffect(() => {
    latest.current = { drafting, parts };
  });
  const { draft, begun, change } = drafting;
  const remove = (name: string) => change({ partials: without(draft.partials, [name]), commits: without(draft.commits, [name]) });
  return {
    /** As the project has it, it is no part of what is proposed. */
    write: (part: Part, text: string) => {
      const isProposed = Object.hasOwn(begun, part.name);
      if (text === part.original && !isProposed) remove(part.name);
      else change(rewritten(draft, part, text));
    },
    remove,
    /** Keep the draft's text of one that somebody else has changed: from now on it stands for their newest too. */
    goOn: ({ name, commit }: Part) => change({ commits: { ...without(draft.commits, [name]), ...(commit && { [name]: commit }) } }),
    /** Put a copy under a new name in the place of one that may not change, and give that name. */
    copy: async (part: Part): Promise<string> => {
      const names = await copyNames(part, parts, loose);
      // Somebody may have gone on writing while names were looked for.
      const now = latest.current;
      now.drafting.change(copied(now.drafting.draft, now.parts, names));
      return of(names, part.name) ?? part.name;
    },
  };
}

export type PartChanges = ReturnType<typeof usePartChanges>;

/** New names for a partial, and for those that include it and may not change either; by their old ones. */
async function copyNames(part: Part, parts: readonly Part[], loose: readonly string[]): Promise<Record<string, string>> {
  const names: Record<string, string> = {};
  const taken = [...parts.map((one) => one.name), ...loose];
  const waiting = [part];
  for (let one = waiting.shift(); one; one = waiting.shift()) {
    let name = nextName(one.name, taken);
    for (; (await fetched(name)) !== null; name = nextName(one.name, taken)) taken.push(name);
    taken.push(name);
    names[one.name] = name;
    const inner = one.name;
    waiting.push(...parts.filter((outer) => !Object.hasOwn(names, outer.name) && publishedUses(outer).length > 0 && includes(outer.text ?? "").includes(inner)));
  }
  return names;
}

/** What changes of a draft when a partial is written. */
function rewritten({ partials, commits }: Pick<Draft, "partials" | "commits">, { name, commit }: Part, text: string): Pick<Draft, "partials" | "commits"> {
  // One that it has already keeps the commit that it was begun with, also when that is none.
  const first = commit !== "" && !Object.hasOwn(partials ?? {}, name);
  return { partials: { ...partials, [name]: text }, ...(first && { commits: { ...commits, [name]: commit } }) };
}

/** What changes of a draft when partials have copies in their places. */
export function copied(draft: Draft, parts: readonly Part[], names: Readonly<Record<string, string>>): Pick<Draft, "text" | "partials" | "commits"> {
  const replaced = Object.keys(names);
  let next: Pick<Draft, "partials" | "commits"> = { partials: without(draft.partials, replaced), commits: without(draft.commits, replaced) };
  for (const part of parts) {
    if (part.text === null) continue;
    const text = including(part.text, names);
    const copy = of(names, part.name);
    if (copy !== undefined) next = { ...next, partials: { ...next.partials, [copy]: text } };
    else if (text !== part.text) next = { ...next, ...rewritten(next, part, text) };
  }
  return { text: including(draft.text, names), ...next };
}

const without = (texts: Readonly<Record<string, string>> | undefined, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(texts ?? {}).filter(([name]) => !names.includes(name)));

/** Versions in words, each prompt once: `support/answer 1.0.0, 1.1.0; billing/refund 2.0.0`. */
export function used(uses: readonly PartialUse[]): string {
  const versions = new Map<string, string[]>();
  for (const { name, version } of uses) versions.set(name, [...(versions.get(name) ?? []), version]);
  return [...versions].map(([name, all]) => `${name} ${all.length > MOST ? `${all.slice(0, MOST).join(", ")} and ${all.length - MOST} more` : all.join(", ")}`).join("; ");
}

/** Versions of a prompt that are named. */
const MOST = 5;
