import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { ApiError, answer, api } from "../../api/client";
import { Button } from "../../parts/Button";
import { Failure, Loading } from "../../parts/States";
import { Door } from "./Door";
import { field } from "./fields";

/** Choose a password, with a one-time link; its secret is in the fragment, which no server sees. */
export function Welcome() {
  const [token] = useState(() => location.hash.slice(1));
  const look = useQuery({
    queryKey: ["invitation", token],
    queryFn: () => answer(api.POST("/api/v1/invitations/look", { body: { token } })),
    enabled: token !== "",
    staleTime: Infinity,
    retry: false,
  });
  const invited = look.data;
  const accept = useMutation({
    mutationFn: (form: FormData) => {
      if (field(form, "password") !== field(form, "again")) throw new Error("The two passwords differ.");
      const email = invited?.email === "" ? field(form, "email") : undefined;
      const body = { token, name: field(form, "name"), password: field(form, "password"), ...(email ? { email } : {}) };
      return answer(api.POST("/api/v1/invitations/accept", { body }));
    },
    onSuccess: () => location.assign("/"),
  });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    accept.mutate(new FormData(event.currentTarget));
  };
  const used = [look.error, accept.error].find((error) => error instanceof ApiError && error.status === 404);
  if (used) return <Used error={used} />;
  if (!token) return <Door title="Welcome to Moat" about="This link is not whole: copy all of it, with what follows the #." />;
  if (look.isError) return <Door title="Welcome to Moat"><Failure error={look.error} retry={() => void look.refetch()} /></Door>;
  if (!invited) return <Loading />;
  return (
    <Door title="Welcome to Moat" about={`${invited.email ? `For ${invited.email}. ` : ""}Choose a password of twelve characters or more.`}>
      <form className="stack" onSubmit={submit}>
        {accept.error && <Failure error={accept.error} />}
        {invited.email === "" && (
          <label>
            E-mail
            <input name="email" type="email" autoComplete="username" required />
          </label>
        )}
        <label>
          Name
          <input name="name" autoComplete="name" defaultValue={invited.name} required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="new-password" minLength={12} required />
        </label>
        <label>
          Password again
          <input name="again" type="password" autoComplete="new-password" required />
        </label>
        <Button kind="main" type="submit" disabled={accept.isPending}>
          Start
        </Button>
      </form>
    </Door>
  );
}

/** A link is good once, and for some days. */
function Used({ error }: { error: Error }) {
  return (
    <Door title="This link is used, or too old">
      <Failure error={error} />
      <p>
        If it was you who used it, sign in with the password that you chose. Else ask an administrator for a new link.
      </p>
      <Link to="/sign-in" className="button">
        Sign in
      </Link>
    </Door>
  );
}
