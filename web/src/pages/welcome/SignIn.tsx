import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { Command } from "../../parts/Command";
import { Door } from "./Door";
import { Ways, waysQuery } from "./Ways";

const route = getRouteApi("/sign-in");

/** Sign in with a password, or through the company's own sign-in. */
export function SignIn() {
  const { to = "/", problem } = route.useSearch();
  const queries = useQueryClient();
  const ways = useQuery(waysQuery);
  const enter = () => {
    queries.clear();
    location.assign(to);
  };
  if (ways.data?.first) return <First />;
  return (
    <Door title="Sign in to Moat">
      <Ways to={to} problem={told(problem)} done={enter} />
    </Door>
  );
}

const PROBLEMS: Record<string, string> = {
  denied: "The sign-in was not allowed there.",
  no_account: "Nobody has made an account for you here. Ask an administrator.",
  disabled: "Your account is disabled. Ask an administrator.",
  unverified: "The e-mail address is not verified there.",
  failed: "The sign-in did not work. The server's log says why; try again.",
};

function told(problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : (PROBLEMS[problem] ?? PROBLEMS["failed"]);
}

function First() {
  return (
    <Door title="There is no account yet">
      <p>
        The server printed a link when it started, on its terminal: it makes the first account. To get a new one, run this in the
        project&rsquo;s folder, the one with <code>moat.yaml</code>, on the machine of the server. It prints a link that is good once.
      </p>
      <Command text="moat accounts add you@example.org --role admin" />
    </Door>
  );
}
