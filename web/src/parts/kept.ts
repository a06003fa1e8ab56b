/** What is kept in this browser only: text that nobody else should see yet, and that a reload must not lose. */
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useSyncExternalStore } from "react";

import { sessionQuery } from "../api/session";

const listeners = new Set<() => void>();
/** What could not be stored, because the browser forbids it or is full: kept as long as the page. */
const unstored = new Map<string, string>();

/** The text under a key, null when there is none. */
export function read(key: string): string | null {
  const here = unstored.get(key);
  if (here !== undefined) return here;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text under a key, null forgets it. */
export function write(key: string, value: string | null): void {
  unstored.delete(key);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value !== null) unstored.set(key, value);
  }
  for (const tell of listeners) tell();
}

const KINDS = ["draft", "variables", "form"] as const;

/** Under which a text is kept that somebody has written: several people may use one browser. `who`: of the session. */
export const textKey = (kind: (typeof KINDS)[number], who: string, name: string) => `moat-${kind} ${who} ${name}`;

/** Forget every text that somebody has written here: the next one at this browser reads none of it. */
export function forgetTexts(who: string): void {
  for (const key of KINDS.flatMap((kind) => keys(textKey(kind, who, "")))) write(key, null);
}

/** Hear of every change, also of those that other windows of the browser make. */
export function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  // Another window of the same browser.
  window.addEventListener("storage", tell);
  return () => {
    listeners.delete(tell);
    window.removeEventListener("storage", tell);
  };
}

/** The value under a key, null when there is none or it is no such value; and how to change it, null forgets it. */
export function useKept<T>(key: string, check: (value: unknown) => value is T): [T | null, (value: T | null) => void] {
  const raw = useSyncExternalStore(subscribe, () => read(key));
  const value = useMemo(() => parsed(raw, check), [raw, check]);
  const keep = useCallback((next: T | null) => write(key, next === null ? null : JSON.stringify(next)), [key]);
  return [value, keep];
}

const isFields = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string");

/** What somebody has written in the fields of a form, kept until it is sent: for this person and `key`. */
export function useKeptFields<Name extends string>(key: string, empty: Record<Name, string>) {
  const { data: session } = useQuery(sessionQuery);
  const [kept, keep] = useKept(textKey("form", session?.actor ?? "", key), isFields);
  const fields: Record<Name, string> = { ...empty, ...kept };
  const change = (part: Partial<Record<Name, string>>) => keep({ ...fields, ...part });
  const forget = () => keep(null);
  return { fields, change, forget };
}

/** All values under keys that begin so, by what follows. */
export function useKeptAll<T>(beginning: string, check: (value: unknown) => value is T): readonly (readonly [string, T])[] {
  const raw = useSyncExternalStore(subscribe, () => JSON.stringify(keys(beginning).map((key) => [key, read(key)])));
  return useMemo(() => {
    const found = JSON.parse(raw) as [string, string | null][];
    return found.flatMap(([key, text]) => {
      const value = parsed(text, check);
      return value === null ? [] : [[key.slice(beginning.length), value] as const];
    });
  }, [raw, beginning, check]);
}

function keys(beginning: string): string[] {
  let stored: string[] = [];
  try {
    stored = Object.keys(localStorage);
  } catch {
    // What the browser forbids to store is in this page only.
  }
  return [...new Set([...stored, ...unstored.keys()])].filter((key) => key.startsWith(beginning)).sort();
}

function parsed<T>(raw: string | null, check: (value: unknown) => value is T): T | null {
  if (raw === null) return null;
  try {
    const value: unknown = JSON.parse(raw);
    return check(value) ? value : null;
  } catch {
    return null;
  }
}
