import { Link, Outlet } from "@tanstack/react-router";

import { useMay } from "../../api/session";
import { Heading } from "../../parts/Heading";
import { Tabs } from "../../parts/Tabs";

/** What the server stands on, and who may do what. */
export function Settings() {
  const admin = useMay("admin");
  const engineer = useMay("engineer");
  return (
    <div className="page">
      <Heading title="Settings" about="How the server stands, and who may do what. What it does is in moat.yaml." />
      <Tabs label="Settings">
        <Link to="/settings" activeOptions={{ exact: true }}>
          Health
        </Link>
        <Link to="/settings/providers">Providers</Link>
        {engineer && <Link to="/settings/doctor">Doctor</Link>}
        {admin && <Link to="/settings/accounts">Accounts</Link>}
        {admin && <Link to="/settings/audit">Audit log</Link>}
      </Tabs>
      <Outlet />
    </div>
  );
}
