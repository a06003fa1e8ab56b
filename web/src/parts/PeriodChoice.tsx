import { type SubmitEvent, useId, useState } from "react";

import { Button } from "./Button";
import { Modal } from "./Modal";
import { DAY, type Period, type PeriodSearch, type TypedPeriod, WINDOWS, type WindowName, type Wrong, asField, boundsOf, isFixed, typedPeriod, words } from "./period";

export interface PeriodChoiceProps<Name extends WindowName> {
  period: Period<Name>;
  /** Windows of this page. */
  windows: readonly Name[];
  /** Takes what is to change in the address. */
  choose: (change: PeriodSearch<Name>) => void;
  /** How long a time may be that is not a window, in milliseconds. */
  most?: number;
}

/** The time that a page shows: one of its windows, or between two moments, with the way back to the window. */
export function PeriodChoice<Name extends WindowName>({ period, windows, choose, most }: PeriodChoiceProps<Name>) {
  const [open, setOpen] = useState(false);
  const [now] = useState(() => Date.now());
  const back = WINDOWS[period.window].words;
  return (
    <div className="row" role="group" aria-label="Time shown">
      {isFixed(period) ? (
        <>
          <Button onClick={() => setOpen(true)} aria-haspopup="dialog">
            {words(period, now)}
          </Button>
          <Button kind="plain" onClick={() => choose({ from: undefined, until: undefined })}>
            Back to {back.charAt(0).toLowerCase() + back.slice(1)}
          </Button>
        </>
      ) : (
        <>
          <select aria-label="Time" value={period.window} onChange={(event) => choose({ window: windows.find((one) => one === event.target.value) })}>
            {windows.map((one) => (
              <option key={one} value={one}>
                {WINDOWS[one].words}
              </option>
            ))}
          </select>
          <Button onClick={() => setOpen(true)} aria-haspopup="dialog">
            Between …
          </Button>
        </>
      )}
      <Modal title="Between two moments" open={open} close={() => setOpen(false)}>
        <Fields
          period={period}
          most={most}
          show={(change) => {
            setOpen(false);
            choose(change);
          }}
        />
      </Modal>
    </div>
  );
}

interface FieldsProps {
  period: Period;
  most: number | undefined;
  show: (change: TypedPeriod) => void;
}

/** From and until, on the reader's clock. What was typed stays until it is right. */
function Fields({ period, most, show }: FieldsProps) {
  const [typed, setTyped] = useState(() => shownNow(period, Date.now()));
  const [open, setOpen] = useState(isFixed(period) && period.until === undefined);
  const [wrong, setWrong] = useState<Wrong | null>(null);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const found = typedPeriod(typed.from, open ? null : typed.until, Date.now(), most);
    if ("field" in found) setWrong(found);
    else show(found);
  };
  const field = (name: "from" | "until", label: string) => (
    <Moment label={label} value={typed[name]} wrong={wrong?.field === name ? wrong.message : ""} set={(value) => setTyped({ ...typed, [name]: value })} />
  );
  return (
    <form className="stack" noValidate onSubmit={submit}>
      {field("from", "From")}
      {!open && field("until", "Until")}
      <label className="row">
        <input type="checkbox" checked={open} onChange={(event) => setOpen(event.target.checked)} />
        No end: up to now
      </label>
      <p className="muted small">
        On your clock ({Intl.DateTimeFormat().resolvedOptions().timeZone}).{most !== undefined && ` At most ${most / DAY} days.`}
      </p>
      <div>
        <Button kind="main" type="submit">
          Show
        </Button>
      </div>
    </form>
  );
}

/** What is shown now, as two fields. */
function shownNow(period: Period, now: number): Record<"from" | "until", string> {
  const { since_ns, until_ns } = boundsOf(period, now);
  return { from: asField(since_ns === undefined ? now - DAY : since_ns / 1e6), until: asField(until_ns === undefined ? now : until_ns / 1e6) };
}

function Moment({ label, value, wrong, set }: { label: string; value: string; wrong: string; set: (value: string) => void }) {
  const id = useId();
  return (
    <div className="stack" style={{ gap: 4 }}>
      <label>
        {label}
        <input type="datetime-local" value={value} aria-invalid={wrong ? true : undefined} aria-describedby={wrong ? id : undefined} onChange={(event) => set(event.target.value)} />
      </label>
      {wrong && (
        <p id={id} role="alert" className="bad small">
          ! {wrong}
        </p>
      )}
    </div>
  );
}
