/** What stands in the place of data: nothing yet, still coming, or an error. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { ApiError } from "../api/client";
import { Button } from "./Button";
import { Command } from "./Command";
import styles from "./States.module.css";

/** There is nothing: what would be here, and what to do to fill it. */
export function Empty({ title, children, command }: { title: string; children?: ReactNode; command?: string }) {
  return (
    <div className={`panel stack ${styles.empty}`}>
      <h2>{title}</h2>
      {children && <div className="muted">{children}</div>}
      {command && <Command text={command} />}
    </div>
  );
}

/** What went wrong, and the way on. What was typed stays where it is. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof ApiError ? error.code : "";
  return (
    <div className={styles.failure} role="alert">
      <p>
        {message} {code && <code>{code}</code>}
      </p>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

/** Data is on its way. Nothing is said to the eye in the first moment, so that quick answers do not flicker. */
export function Loading({ what = "Loading" }: { what?: string }) {
  return (
    <p className={`muted ${styles.loading}`} role="status" data-loading="">
      {what} …
    </p>
  );
}

/** The answer of a query by `children`, once it is there; till then that it is loading, or why it failed. */
export function Shown<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
        {children(query.data)}
      </>
    );
  }
  return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading />;
}
