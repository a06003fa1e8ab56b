/** Light or dark: as the reader chose, else as the system has it. */
import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "moat-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

function apply(): void {
  document.documentElement.dataset["theme"] = current();
  listeners.forEach((tell) => {
    tell();
  });
}

/** Called once, before anything is drawn. */
export function startTheme(): void {
  system.addEventListener("change", apply);
  apply();
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  apply();
}

export function useTheme(): Theme {
  return useSyncExternalStore((tell) => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  }, current);
}
