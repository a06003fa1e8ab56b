import { Link, Outlet } from "@tanstack/react-router";

import { Heading } from "../../parts/Heading";
import { Tabs } from "../../parts/Tabs";

/** What is demanded of prompts, how they did, and how far those numbers can be believed. */
export function Evals() {
  return (
    <div className="page">
      <Heading title="Evals" about="What is demanded of prompts, how they did, and how far the numbers can be believed" />
      <Tabs label="Evals">
        <Link to="/evals" activeOptions={{ exact: true, includeSearch: false }}>
          Suites
        </Link>
        <Link to="/evals/runs" activeOptions={{ includeSearch: false }}>
          Runs
        </Link>
        <Link to="/evals/power" activeOptions={{ includeSearch: false }}>
          Power
        </Link>
        <Link to="/evals/judges">Judges</Link>
      </Tabs>
      <Outlet />
    </div>
  );
}
