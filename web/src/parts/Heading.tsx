import { type ReactNode, useEffect } from "react";

/** The head of a page: its name, also the window's, one line about it, and what can be done. */
export function Heading({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Moat`;
  }, [title]);
  return (
    <header className="row spread">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {about && <p className="muted">{about}</p>}
      </div>
      {children && <div className="row">{children}</div>}
    </header>
  );
}
