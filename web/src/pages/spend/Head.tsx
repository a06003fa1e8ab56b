import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { useMay } from "../../api/session";
import { Heading } from "../../parts/Heading";
import { Tabs } from "../../parts/Tabs";

/** The head of the pages about money, and the way from one to the other. */
export function Head({ title, about, children }: { title: string; about: ReactNode; children?: ReactNode }) {
  const admin = useMay("admin");
  return (
    <>
      <Heading title={title} about={about}>
        {children}
      </Heading>
      <Tabs label="About money">
        <Link to="/spend" activeOptions={{ exact: true, includeSearch: false }}>
          Spending
        </Link>
        <Link to="/spend/limits">Budgets and limits</Link>
        {admin && <Link to="/spend/keys">Keys</Link>}
      </Tabs>
    </>
  );
}
