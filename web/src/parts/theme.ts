/** Light or dark: as the reader chose, else as the system has it. */
import { useSyncExternalStore } from "react";

import { read, subscribe, write } from "./kept";

export type Theme = "light" | "dark";

const KEY = "moat-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

function current(): Theme {
  const chosen = read(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

function apply(): void {
  document.documentElement.dataset["theme"] = current();
}

function listen(tell: () => void): () => void {
  system.addEventListener("change", tell);
  const leave = subscribe(tell);
  return () => {
    system.removeEventListener("change", tell);
    leave();
  };
}

/** Called once, before anything is drawn. */
export function startTheme(): void {
  listen(apply);
  apply();
}

export function chooseTheme(theme: Theme): void {
  write(KEY, theme);
}

export function useTheme(): Theme {
  return useSyncExternalStore(listen, current);
}
