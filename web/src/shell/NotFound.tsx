import { Link } from "@tanstack/react-router";

import { Heading } from "../parts/Heading";

/** The address leads nowhere. */
export function NotFound() {
  return (
    <div className="panel stack">
      <Heading title="There is no such page" />
      <p>
        The address may be of another version of Moat. <Link to="/">Overview</Link>
      </p>
    </div>
  );
}
