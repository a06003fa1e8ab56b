/** What is kept in this browser only: text that nobody else should see yet, and that a reload must not lose. */
import { useCallback, useMemo, useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
/** What could not be stored, because the browser forbids it or is full: kept as long as the page. */
const unstored = new Map<string, string>();

function read(key: string): string | null {
  const here = unstored.get(key);
  if (here !== undefined) return here;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | null): void {
  unstored.delete(key);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value !== null) unstored.set(key, value);
  }
  for (const tell of listeners) tell();
}

function subscribe(tell: () => void): () => void {
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

function parsed<T>(raw: string | null, check: (value: unknown) => value is T): T | null {
  if (raw === null) return null;
  try {
    const value: unknown = JSON.parse(raw);
    return check(value) ? value : null;
  } catch {
    return null;
  }
}
