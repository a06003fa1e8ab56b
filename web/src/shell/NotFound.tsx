import { Link } from "@tanstack/react-router";

/** The address leads nowhere. */
export function NotFound() {
  return (
    <div className="panel stack">
      <h1>There is no such page</h1>
      <p>
        The address may be of another version of Moat. <Link to="/">Overview</Link>
      </p>
    </div>
  );
}
