import { type SubmitEvent, type ReactNode, useState } from "react";

import { ApiError } from "../../api/client";
import type { Lack } from "../../api/schema";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { Failure } from "../../parts/States";
import { type Done, useAct } from "./acts";
import { Outcome } from "./Outcome";
import { Reason } from "./Reason";
import styles from "./Releases.module.css";
import { Lacks } from "./Standing";

/** What an environment is missing. */
export interface Lacking {
  environment: string;
  missing: readonly Lack[];
}

/** What the person said beside yes. */
export interface Said {
  reason: string;
  /** Do it although the environment's rules say no. */
  glass: boolean;
}

interface DecideProps {
  title: string;
  /** What will happen, before it does. */
  children: ReactNode;
  /** On the button that does it. */
  label: string;
  kind?: "main" | "danger";
  act: (said: Said) => Promise<Done>;
  /** What holds when it is done. */
  done: (done: Done) => ReactNode;
  /** The environment's rules can forbid it, and the glass can be broken. */
  ruled?: boolean;
  /** The rules that say no already: it can be done with a broken glass only. */
  lacking?: Lacking;
  close: () => void;
}

/** Do the rules say no, as far as is known, and would it help to break the glass? */
function no(lacking: Lacking | undefined, refused: boolean) {
  const missing = lacking?.missing ?? [];
  const hopeless = missing.some((one) => !one.overridable);
  return { known: missing.length > 0, hopeless, breakable: !hopeless && (missing.length > 0 || refused) };
}

/** By a rule; not because something else is served by now, which no broken glass helps against. */
const isRefused = (error: unknown) => error instanceof ApiError && error.status === 409 && error.param !== "sequence";

/** One decision about what is served: what it means, why it is made, and how it went. */
export function Decide({ title, children, label, kind = "main", act, done, ruled = false, lacking, close }: DecideProps) {
  const [said, setSaid] = useState<Said>({ reason: "", glass: false });
  const doing = useAct(act);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    doing.mutate(said);
  };
  const { known, breakable, hopeless } = no(lacking, ruled && isRefused(doing.error));
  const barred = hopeless || (known && !said.glass);
  return (
    <Modal title={title} open close={close}>
      {doing.data ? (
        <>
          <Outcome done={doing.data}>{done(doing.data)}</Outcome>
          <div>
            <Button onClick={close} autoFocus>
              Close
            </Button>
          </div>
        </>
      ) : (
        <form className="stack" onSubmit={submit}>
          {children}
          <Reason value={said.reason} set={(reason) => setSaid({ ...said, reason })} required={said.glass} />
          {doing.isError && <Failure error={doing.error} />}
          {lacking && <Lacks {...lacking} />}
          {(breakable || said.glass) && <Glass said={said} set={setSaid} />}
          <div className="row">
            <Button kind={said.glass ? "danger" : kind} type="submit" disabled={doing.isPending || barred} data-autofocus={!barred}>
              {doing.isPending ? "On its way …" : said.glass ? `Break the glass: ${label}` : label}
            </Button>
            <Button onClick={close}>Leave it as it is</Button>
          </div>
        </form>
      )}
    </Modal>
  );
}

function Glass({ said, set }: { said: Said; set: (said: Said) => void }) {
  return (
    <div className={styles.warning}>
      <label className={styles.check}>
        <input type="checkbox" checked={said.glass} onChange={(event) => set({ ...said, glass: event.target.checked })} />
        <span>Break the glass: do it although the rules say no</span>
      </label>
      <p className="small">It needs a reason. The rules that were broken stand in the history for good, and as a warning for as long as it is served.</p>
    </div>
  );
}
