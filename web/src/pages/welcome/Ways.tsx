import { useMutation, useQuery } from "@tanstack/react-query";
import type { SubmitEvent } from "react";

import { answer, api } from "../../api/client";
import type { Ways as Found } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Failure } from "../../parts/States";
import { field } from "./fields";

export const waysQuery = { queryKey: ["sign-in"], queryFn: (): Promise<Found> => answer(api.GET("/api/v1/sign-in")) };

interface Props {
  /** A path of the console: where another system's sign-in comes back to. */
  to: string;
  /** Why an earlier attempt did not work. */
  problem?: string | undefined;
  /** Whose password is asked for, if that is known. */
  email?: string | undefined;
  done: () => Promise<void> | void;
}

/** The ways to sign in that this server has: with a password, through the company's own sign-in. */
export function Ways({ to, problem, email, done }: Props) {
  const ways = useQuery(waysQuery);
  const signIn = useMutation({
    mutationFn: (form: FormData) =>
      answer(api.POST("/api/v1/session", { body: { email: field(form, "email"), password: field(form, "password") } })),
    onSuccess: done,
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    signIn.mutate(new FormData(event.currentTarget));
  };
  const error = signIn.error ?? ways.error ?? problem;
  return (
    <form className="stack" onSubmit={submit}>
      {error != null && <Failure error={error} />}
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required defaultValue={email} autoFocus={!email} />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required data-autofocus={email ? true : undefined} />
      </label>
      <Button kind="main" type="submit" disabled={signIn.isPending}>
        Sign in
      </Button>
      {ways.data?.ways.includes("oidc") && (
        <a className="button" href={`/api/v1/sign-in/oidc?then=${encodeURIComponent(to)}`}>
          Sign in with {ways.data.oidc_name}
        </a>
      )}
    </form>
  );
}
