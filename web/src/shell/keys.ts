/** Shortcuts: Ctrl/Cmd K opens the palette; g and a letter lead to a page; / goes to the first search field; ? tells them. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { PLACES } from "./places";
import { isShortcut, isWindowOpen } from "./shortcuts";

const PAUSE_MS = 1200;
/** Not 0: by the clock of events a page is loaded then, and its first g would count as a second key. */
const NEVER = -Infinity;

export function useKeys(openPalette: () => void, openKeys: () => void): void {
  const navigate = useNavigate();
  const since = useRef(NEVER);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        if (!isWindowOpen()) openPalette();
        return;
      }
      if (!isShortcut(event)) return;
      if (event.key === "?") openKeys();
      if (event.key === "/") {
        const field = document.querySelector<HTMLElement>("main input[type=search]");
        if (field) event.preventDefault();
        field?.focus();
        return;
      }
      const place = event.timeStamp - since.current < PAUSE_MS ? PLACES.find((one) => one.key === event.key) : undefined;
      if (place) void navigate({ to: place.to });
      since.current = event.key === "g" && !place ? event.timeStamp : NEVER;
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, openPalette, openKeys]);
}
