/** Shortcuts: Ctrl/Cmd K opens the palette; g and a letter lead to a page; / goes to the first search field; ? tells them. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { PLACES } from "./places";
import { isShortcut, isWindowOpen } from "./shortcuts";

const PAUSE_MS = 1200;

export function useKeys(openPalette: () => void, openKeys: () => void): void {
  const navigate = useNavigate();
  const since = useRef(0);
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
      const place = PLACES.find((one) => one.key === event.key);
      if (place && event.timeStamp - since.current < PAUSE_MS) void navigate({ to: place.to });
      since.current = event.key === "g" && !(place && event.timeStamp - since.current < PAUSE_MS) ? event.timeStamp : 0;
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, openPalette, openKeys]);
}
