import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { answer, api } from "../../api/client";
import type { Trip } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { ago, money, time } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Failure } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { spikesQuery } from "./queries";
import styles from "./Spend.module.css";

/** Spending that was cut off because it was dear and unusual, and the way to let it go on. */
export function Spikes() {
  const spikes = useQuery(spikesQuery);
  const may = useMay("engineer");
  const [asked, setAsked] = useState<Trip | null>(null);
  if (spikes.isError) return <Failure error={spikes.error} retry={() => void spikes.refetch()} />;
  if (!spikes.data?.length) return null;
  const open = spikes.data.filter((trip) => !trip.reset_ns);
  const columns = [...COLUMNS, { key: "act", header: "State", cell: (trip: Trip) => <State trip={trip} reset={may ? setAsked : null} /> }];
  const table = (trips: readonly Trip[], label: string) => <Table label={label} rows={trips} columns={columns} id={(trip) => trip.id} />;
  return (
    <section className="stack" aria-label="Spending that was cut off">
      <h2>Spending that was cut off</h2>
      {open.length > 0 ? table(open, "Cut off now") : <p className="muted">Nothing is cut off now.</p>}
      {spikes.data.length > open.length && (
        <details>
          <summary>Before ({spikes.data.length - open.length})</summary>
          {table(
            spikes.data.filter((trip) => trip.reset_ns),
            "Cut off before",
          )}
        </details>
      )}
      {asked && <Reset trip={asked} close={() => setAsked(null)} />}
    </section>
  );
}

const COLUMNS: Column<Trip>[] = [
  { key: "what", header: "Of", kind: "cut", cell: (trip) => `${trip.scope} ${trip.value}` },
  { key: "at", header: "Cut off", cell: (trip) => <time title={time(trip.at_ns)}>{ago(trip.at_ns)}</time> },
  { key: "spent", header: "Spent", kind: "number", cell: (trip) => money(trip.spent) },
  { key: "usual", header: "Usual", kind: "number", cell: (trip) => money(trip.usual) },
  { key: "why", header: "Why", kind: "cut", cell: (trip) => trip.why },
];

function State({ trip, reset }: { trip: Trip; reset: ((trip: Trip) => void) | null }) {
  if (trip.reset_ns) {
    return (
      <span className="small">
        let go on {ago(trip.reset_ns)} by <bdi>{trip.reset_by}</bdi>: <bdi>{trip.reset_reason}</bdi>
      </span>
    );
  }
  if (!reset) return <Badge tone="bad">cut off</Badge>;
  return (
    <Button onClick={() => reset(trip)} aria-label={`Let it go on …: ${trip.scope} ${trip.value}`}>
      Let it go on …
    </Button>
  );
}

function Reset({ trip, close }: { trip: Trip; close: () => void }) {
  const queries = useQueryClient();
  const [reason, setReason] = useState("");
  const reset = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/spikes/reset", { body: { scope: trip.scope, value: trip.value, reason } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["alerts"] }),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    reset.mutate();
  };
  return (
    <Modal title={`Let ${trip.scope} ${trip.value} go on`} open close={close}>
      {reset.data ? (
        <>
          <p role="status" className={styles.done}>
            Calls of {trip.scope} {trip.value} are let through again, within a second.
          </p>
          <div>
            <Button onClick={close} autoFocus>
              Close
            </Button>
          </div>
        </>
      ) : (
        <form className="stack" onSubmit={submit}>
          <p>
            It spent {money(trip.spent)} where {money(trip.usual)} is usual, and every call of it is refused since {time(trip.at_ns)}. Let it go on
            when that is as it should be.
          </p>
          <label>
            Reason
            <input value={reason} onChange={(event) => setReason(event.target.value)} required maxLength={2000} data-autofocus />
          </label>
          {reset.isError && <Failure error={reset.error} />}
          <div className="row">
            <Button kind="main" type="submit" disabled={reset.isPending}>
              Let it go on
            </Button>
            <Button onClick={close}>Leave it cut off</Button>
          </div>
        </form>
      )}
    </Modal>
  );
}
