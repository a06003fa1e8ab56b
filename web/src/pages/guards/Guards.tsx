import { Link, Outlet } from "@tanstack/react-router";

import { Heading } from "../../parts/Heading";
import { Tabs } from "../../parts/Tabs";

/** What guards find, the policies they follow, and what these would make of a text. */
export function Guards() {
  return (
    <div className="page">
      <Heading title="Guards" about="What is looked for in questions and answers, and what is done about it" />
      <Tabs label="Guards">
        <Link to="/guards" activeOptions={{ exact: true, includeSearch: false }}>
          Findings
        </Link>
        <Link to="/guards/policies">Policies</Link>
        <Link to="/guards/try">Try a text</Link>
      </Tabs>
      <Outlet />
    </div>
  );
}
