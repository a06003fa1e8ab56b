import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Fragment } from "react";

import { ApiError, answer, api } from "../api/client";
import { type Session, tellWindows } from "../api/session";
import { Button } from "../parts/Button";
import { forgetTexts, textKey, useKeptAll } from "../parts/kept";
import { isRecord } from "../parts/records";
import { Failure } from "../parts/States";
import styles from "./Shell.module.css";

/** Who is signed in, and the way out. */
export function Person({ session }: { session: Session }) {
  const queries = useQueryClient();
  const drafts = useKeptAll(textKey("draft", session.actor, ""), isRecord);
  const unproposed = drafts.filter(([, draft]) => !(isRecord(draft["proposed"]) && draft["proposed"]["same"] === true));
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
      forgetTexts(session.actor);
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
        {unproposed.length > 0 && (
          <p className="warn">
            ! Nowhere but in this browser are your drafts of{" "}
            {unproposed.map(([name], index) => (
              <Fragment key={name}>
                {index > 0 && ", "}
                <Link to="/prompts/$" params={{ _splat: name }} search={{ tab: "edit" }}>
                  {name}
                </Link>
              </Fragment>
            ))}
            . Propose them to keep them.
          </p>
        )}
        <Button {...(unproposed.length > 0 && { kind: "danger" as const })} onClick={() => leave.mutate()} disabled={leave.isPending}>
          {unproposed.length > 0 ? "Delete them and sign out" : "Sign out"}
        </Button>
      </div>
    </details>
  );
}
