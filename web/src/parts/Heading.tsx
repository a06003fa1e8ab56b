import { type ReactNode, useEffect, useRef } from "react";

/** Of the page that was come to last. The first needs no focus: it is read from its beginning. */
let here = location.pathname;

/** The head of a page: its name, also the window's and where the focus goes, one line about it, and what can be done. */
export function Heading({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  const name = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Moat`;
    if (location.pathname === here) return;
    here = location.pathname;
    // So that a new page is announced, and the keyboard goes on from its top.
    name.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <header className="row spread">
      <div>
        <h1 ref={name} tabIndex={-1}>{title}</h1>
        {about && <p className="muted">{about}</p>}
      </div>
      {children && <div className="row">{children}</div>}
    </header>
  );
}
