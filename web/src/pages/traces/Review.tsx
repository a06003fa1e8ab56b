/** Calls that people send to each other to be looked at: an opinion named `review`, 0 while it waits, 1 when done. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { SyntheticEvent } from "react";

import { answer, api } from "../../api/client";
import type { Feedback } from "../../api/schema";
import { Button } from "../../parts/Button";
import { useKeptFields } from "../../parts/kept";
import { Failure } from "../../parts/States";
import { type FullSpan, feedbackQuery } from "./queries";

const NAME = "review";
/** In the filter language. */
const WAITING = "score.review = 0 and not score.review = 1";

const idOf = (call: FullSpan): string => call.request_id || call.trace_id;

/** Does it wait for somebody to look at it? */
export const waits = (said: readonly Feedback[]): boolean => {
  const values = said.filter((one) => one.name === NAME).map((one) => one.value);
  return values.includes(0) && !values.includes(1);
};

function useReview(call: FullSpan) {
  const queries = useQueryClient();
  const about = call.request_id ? { request_id: call.request_id } : { trace_id: call.trace_id };
  return useMutation({
    mutationFn: (said: { value: 0 | 1; comment?: string }) => answer(api.POST("/api/v1/opinions", { body: { ...about, name: NAME, ...said } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: feedbackQuery(idOf(call)).queryKey }),
  });
}

/** Send a call to review. */
export function SendToReview({ call }: { call: FullSpan }) {
  const { fields, change, forget } = useKeptFields(`review:${idOf(call)}`, { comment: "" });
  const send = useReview(call);
  if (send.isSuccess)
    return (
      <p role="status">
        It waits for review. <All />
      </p>
    );
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    send.mutate({ value: 0, comment: fields.comment }, { onSuccess: forget });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <label>
        What should be looked at?
        <textarea rows={3} maxLength={10_000} value={fields.comment} onChange={(event) => change({ comment: event.target.value })} />
      </label>
      {send.error && <Failure error={send.error} />}
      <div className="row">
        <Button kind="main" type="submit" disabled={send.isPending}>
          Send to review
        </Button>
        <All />
      </div>
    </form>
  );
}

/** What is said of a call that waits, and how it is said to be done. */
export function Waiting({ call }: { call: FullSpan }) {
  const done = useReview(call);
  return (
    <div className="row">
      <span>This call waits for review.</span>
      <Button disabled={done.isPending} onClick={() => done.mutate({ value: 1 })}>
        Reviewed
      </Button>
      <All />
      {done.error && <Failure error={done.error} />}
    </div>
  );
}

function All() {
  return (
    <Link to="/traces" search={{ q: WAITING }}>
      All that wait
    </Link>
  );
}
