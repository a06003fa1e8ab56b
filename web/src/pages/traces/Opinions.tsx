import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { Feedback } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { ago } from "../../parts/format";
import { useKeptFields } from "../../parts/kept";
import { Failure, Shown } from "../../parts/States";
import { type FullSpan, feedbackQuery } from "./queries";
import { Waiting, waits } from "./Review";
import styles from "./Trace.module.css";

/** What people and scorers said of a call; and one's own opinion, for those who may give it. */
export function Opinions({ call }: { call: FullSpan }) {
  const id = call.request_id || call.trace_id;
  const may = useMay("expert");
  const said = useQuery(feedbackQuery(id));
  return (
    <section className="panel stack" aria-labelledby="opinions">
      <h2 id="opinions">Feedback and scores</h2>
      <Shown query={said}>
        {(found) =>
          found.length > 0 ? (
            <>
              <ul className={`stack ${styles.plain}`}>
                {found.map((one) => (
                  <Opinion key={one.id} one={one} />
                ))}
              </ul>
              {may && waits(found) && <Waiting call={call} />}
            </>
          ) : (
            <p className="muted">Nobody has said anything of it yet.</p>
          )
        }
      </Shown>
      <Give call={call} />
    </section>
  );
}

function Opinion({ one }: { one: Feedback }) {
  const { value, rating } = one;
  const waiting = one.name === "review" && value === 0;
  const tone = waiting ? "warn" : value == null ? "neutral" : value >= 0.5 ? "good" : "bad";
  return (
    <li>
      <p>
        <strong>{one.name ?? "feedback"}</strong>{" "}
        {value != null && <Badge tone={tone}>{rating != null ? `${rating} of 5` : one.source === "scorer" ? value.toFixed(2) : waiting ? "asked for" : value >= 0.5 ? "good" : "bad"}</Badge>}{" "}
        <span className="muted small">
          {one.by || "somebody"}, {ago(one.at_ns)}
        </span>
      </p>
      {(one.categories ?? []).length > 0 && <p className="small">{(one.categories ?? []).join(", ")}</p>}
      {one.comment && <p className={styles.said}>{one.comment}</p>}
      {one.correction != null && (
        <p className={styles.said}>
          <span className="muted">Should be: </span>
          {typeof one.correction === "string" ? one.correction : JSON.stringify(one.correction)}
        </p>
      )}
    </li>
  );
}

function Give({ call }: { call: FullSpan }) {
  const queries = useQueryClient();
  const may = useMay("expert");
  const [thumbs, setThumbs] = useState<"up" | "down" | null>(null);
  const { fields, change, forget } = useKeptFields(`opinion:${call.request_id || call.trace_id}`, { comment: "", correction: "" });
  const { comment, correction } = fields;
  const about = call.request_id ? { request_id: call.request_id } : { trace_id: call.trace_id };
  const give = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/opinions", { body: { ...about, thumbs, comment, correction: correction || null } })),
    onSuccess: () => {
      setThumbs(null);
      forget();
      void queries.invalidateQueries({ queryKey: feedbackQuery(call.request_id || call.trace_id).queryKey });
    },
  });
  if (!may) return <p className="muted small">Giving feedback needs the role expert.</p>;
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    give.mutate();
  };
  return (
    <form className="stack" onSubmit={submit} aria-label="Your feedback">
      <div className="row" role="group" aria-label="What do you think of the answer?">
        <Button aria-pressed={thumbs === "up"} kind={thumbs === "up" ? "main" : undefined} onClick={() => setThumbs(thumbs === "up" ? null : "up")}>
          ✓ Good
        </Button>
        <Button aria-pressed={thumbs === "down"} kind={thumbs === "down" ? "main" : undefined} onClick={() => setThumbs(thumbs === "down" ? null : "down")}>
          ✕ Bad
        </Button>
      </div>
      <label>
        Comment
        <textarea rows={2} maxLength={10_000} value={comment} onChange={(event) => change({ comment: event.target.value })} />
      </label>
      <label>
        What the answer should have been
        <textarea rows={2} maxLength={60_000} value={correction} onChange={(event) => change({ correction: event.target.value })} />
      </label>
      {give.error && <Failure error={give.error} />}
      <div className="row">
        <Button type="submit" disabled={give.isPending || (!thumbs && !comment && !correction)}>
          Give feedback
        </Button>
        <span role="status" className="muted small">
          {give.isSuccess && "Kept. It appears above in a moment."}
        </span>
      </div>
    </form>
  );
}
