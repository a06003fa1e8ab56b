import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { useConnected, useEvents } from "../api/events";
import { answer, api } from "../api/client";
import { sessionQuery } from "../api/session";
import { Button } from "../parts/Button";
import { chooseTheme, useTheme } from "../parts/theme";
import { useKeys } from "./keys";
import { Palette } from "./Palette";
import { PLACES } from "./places";
import styles from "./Shell.module.css";

/** What is around every page: where one can go, who is signed in, the palette. */
export function Shell() {
  const queries = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const navigate = useNavigate();
  const [palette, setPalette] = useState(false);
  useEvents(queries);
  useKeys(() => setPalette(true));
  useEffect(() => {
    if (session === null) void navigate({ to: "/sign-in", search: { to: location.pathname + location.search } });
  }, [session, navigate]);
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
            <Link key={place.to} to={place.to} className={styles.place} activeOptions={{ exact: place.to === "/" }}>
              {place.label}
            </Link>
          ))}
        </nav>
        <div className={styles.own}>
          <Line />
          <Button kind="plain" onClick={() => setPalette(true)} aria-keyshortcuts="Control+K Meta+K">
            Go to <kbd>Ctrl K</kbd>
          </Button>
          <Theme />
          <Person />
        </div>
      </header>
      <main id="main" tabIndex={-1} className={styles.main}>
        <Outlet />
      </main>
      <Palette open={palette} close={() => setPalette(false)} />
    </div>
  );
}

function Line() {
  const connected = useConnected();
  if (connected) return null;
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

function Person() {
  const queries = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  if (!session) return null;
  const leave = async () => {
    await answer(api.DELETE("/api/v1/session"));
    queries.clear();
    location.assign("/sign-in");
  };
  return (
    <details className={styles.person}>
      <summary>{session.account?.name || session.actor}</summary>
      <div className={`${styles.menu} panel stack`}>
        <span className="muted small">
          {session.actor} · {session.role}
        </span>
        <Button onClick={() => void leave()}>Sign out</Button>
      </div>
    </details>
  );
}
