/** What the palette offers whatever is typed: pages, colours, keys. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { may, sessionQuery } from "../api/session";
import { chooseTheme } from "../parts/theme";
import { matching, type Named } from "./matching";
import { PLACES, SUB_PLACES } from "./places";

export interface Entry extends Named {
  /** Unique in the list. */
  id: string;
  /** To a page or a window. */
  leads: boolean;
  run: () => void;
}

/** Those that a text means and the person's role may see; without a text the nine pages, colours and keys. */
export function useEntries(text: string, openKeys: () => void): Entry[] {
  const navigate = useNavigate();
  const { data: session } = useQuery(sessionQuery);
  const role = session?.role ?? "viewer";
  return useMemo(() => {
    const pages: Entry[] = PLACES.map(({ to, label, about, key }) => ({
      id: to,
      label,
      about: `${about} · g ${key}`,
      leads: true,
      run: () => void navigate({ to }),
    }));
    const below: Entry[] = SUB_PLACES.filter((place) => may(role, "needs" in place ? place.needs : "viewer")).map((place) => ({
      id: `${place.to} ${place.label}`,
      label: place.label,
      about: place.about,
      leads: true,
      run: () => void navigate({ to: place.to, search: "search" in place ? place.search : {} }),
    }));
    const own: Entry[] = (["light", "dark"] as const).map((theme) => ({
      id: theme,
      label: `Use ${theme} colours`,
      about: "",
      leads: false,
      run: () => chooseTheme(theme),
    }));
    own.push({ id: "keys", label: "Keyboard shortcuts", about: "Which there are; on or off · ?", leads: true, run: openKeys });
    return text ? matching([...pages, ...below, ...own], text) : [...pages, ...own];
  }, [text, role, navigate, openKeys]);
}
