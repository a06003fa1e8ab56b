import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { answer, api } from "../../api/client";
import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import { Door, field } from "./Door";

const route = getRouteApi("/sign-in");

/** Sign in with a password, or through the company's own sign-in. */
export function SignIn() {
  const { to = "/", problem } = route.useSearch();
  const queries = useQueryClient();
  const ways = useQuery({ queryKey: ["sign-in"], queryFn: () => answer(api.GET("/api/v1/sign-in")) });
  const signIn = useMutation({
    mutationFn: (form: FormData) =>
      answer(api.POST("/api/v1/session", { body: { email: field(form, "email"), password: field(form, "password") } })),
    onSuccess: () => {
      queries.clear();
      location.assign(to);
    },
  });
  if (ways.data?.first) return <First />;
  return (
    <Door title="Sign in to Moat" error={signIn.error ?? ways.error ?? told(problem)} submit={(form) => signIn.mutate(form)}>
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required autoFocus />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <Button kind="main" type="submit" disabled={signIn.isPending}>
        Sign in
      </Button>
      {ways.data?.ways.includes("oidc") && (
        <a className="button" href={`/api/v1/sign-in/oidc?then=${encodeURIComponent(to)}`}>
          Sign in with {ways.data.oidc_name}
        </a>
      )}
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
    <Door title="There is no account yet" error={null} submit={() => undefined}>
      <p>The server printed a link when it started: it makes the first account. To get a new one:</p>
      <Command text="moat accounts add you@example.org --role admin" />
    </Door>
  );
}
