import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useCallback, useState } from "react";

import { useConnected, useEvents } from "../api/events";
import { useOver } from "../api/over";
import { sessionQuery } from "../api/session";
import { Button } from "../parts/Button";
import { chooseTheme, useTheme } from "../parts/theme";
import { Again } from "./Again";
import { KeyList } from "./KeyList";
import { useKeys } from "./keys";
import { Palette } from "./Palette";
import { Person } from "./Person";
import { PLACES } from "./places";
import styles from "./Shell.module.css";

/** What is around every page: where one can go, who is signed in, the palette. */
export function Shell() {
  const queries = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const openPalette = useCallback(() => setOpen("palette"), []);
  const openKeys = useCallback(() => setOpen("keys"), []);
  const close = () => setOpen(null);
  useEvents(queries);
  useKeys(openPalette, openKeys);
  return (
    <div className={styles.shell}>
      <a href="#main" className={styles.skip}>
        Skip to the page
      </a>
      <header className={styles.bar}>
        <Link to="/" className={styles.name}>
          Moat
        </Link>
        <nav aria-label="Pages" className={styles.pages}>
          {PLACES.map((place) => (
            <Link key={place.to} to={place.to} className={styles.place} activeOptions={{ exact: place.to === "/", includeSearch: false }}>
              {place.label}
            </Link>
          ))}
        </nav>
        <div className={styles.own}>
          <Line />
          <Button kind="plain" onClick={openPalette} aria-keyshortcuts="Control+K Meta+K">
            Go to <kbd className={styles.shortcut}>Ctrl K</kbd>
          </Button>
          <Theme />
          {session && <Person session={session} />}
        </div>
      </header>
      <main id="main" tabIndex={-1} className={styles.main}>
        <Outlet />
      </main>
      <Palette open={open === "palette"} close={close} openKeys={openKeys} />
      <KeyList open={open === "keys"} close={close} />
      <Again />
    </div>
  );
}

function Line() {
  const connected = useConnected();
  const over = useOver();
  if (connected || over) return null;
  return (
    <span role="status" className="warn small">
      ! No live updates: the server does not answer
    </span>
  );
}

function Theme() {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <Button kind="plain" onClick={() => chooseTheme(other)} aria-label={`Use ${other} colours`} title={`Use ${other} colours`}>
      {theme === "dark" ? "☀" : "☾"}
    </Button>
  );
}
