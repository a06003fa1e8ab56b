import { useMutation, useQueryClient } from "@tanstack/react-query";

import { ApiError, answer, api } from "../api/client";
import { type Session, tellWindows } from "../api/session";
import { Button } from "../parts/Button";
import { forgetAll } from "../parts/kept";
import { Failure } from "../parts/States";
import styles from "./Shell.module.css";

/** Who is signed in, and the way out. */
export function Person({ session }: { session: Session }) {
  const queries = useQueryClient();
  const leave = useMutation({
    mutationFn: async () => {
      try {
        await answer(api.DELETE("/api/v1/session"));
      } catch (error) {
        // It had ended already.
        if (!(error instanceof ApiError && error.status === 401)) throw error;
      }
    },
    onSuccess: () => {
      forgetAll();
      tellWindows(null);
      queries.clear();
      location.assign("/sign-in");
    },
  });
  return (
    <details className={styles.person}>
      <summary>{session.account?.name || session.actor}</summary>
      <div className={`${styles.menu} panel stack`}>
        <span className="muted small">
          <bdi>{session.actor}</bdi> · {session.role}
        </span>
        {leave.isError && (
          <>
            <p className="bad">✕ You are still signed in:</p>
            <Failure error={leave.error} />
          </>
        )}
        <Button onClick={() => leave.mutate()} disabled={leave.isPending}>
          Sign out
        </Button>
      </div>
    </details>
  );
}
