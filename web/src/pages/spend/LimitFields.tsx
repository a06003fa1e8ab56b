import { useId } from "react";

import type { LimitState } from "../../api/schema";
import { time } from "../../parts/format";
import { amount, whose } from "./shown";
import styles from "./Spend.module.css";
import { ACTIONS, type Action, MEASURES, type Measure, SCOPES, type Scope, type Typed, WINDOWS, type Window, isBelow } from "./wish";

interface Props {
  typed: Typed;
  change: (part: Partial<Typed>) => void;
  /** The fullest counter of the limit that is changed. */
  used: LimitState | undefined;
}

/** The fields of a limit. */
export function LimitFields({ typed, change, used }: Props) {
  return (
    <>
      <label>
        Name
        <input
          value={typed.name}
          onChange={(event) => change({ name: event.target.value })}
          required
          maxLength={64}
          pattern="[a-z0-9][a-z0-9_.\-]*"
          title="Lower-case letters, digits, _, . and -"
        />
      </label>
      <div className="columns">
        <Choice label="It counts" options={MEASURES} value={typed.measure} choose={(measure: Measure) => change({ measure })} />
        <Amount typed={typed} change={change} used={used} />
      </div>
      <div className="columns">
        <Choice label="When a call would pass it" options={ACTIONS} value={typed.action} choose={(action: Action) => change({ action })} />
        {typed.measure !== "concurrent" && (
          <label>
            In each
            <select value={typed.window} onChange={(event) => change({ window: event.target.value as Window })}>
              {WINDOWS.filter((one) => one !== "request" || typed.measure !== "requests").map((one) => (
                <option key={one} value={one}>
                  {one === "request" ? "call by itself" : one}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Whose typed={typed} change={change} />
      <div className="columns">
        <label>
          <span>
            Warn from, in percent <span className="muted">(may be left out)</span>
          </span>
          <input value={typed.warn} onChange={(event) => change({ warn: event.target.value })} placeholder="80, 95" pattern="[0-9., %]*" />
        </label>
        <Zone typed={typed} change={change} />
      </div>
    </>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  options: Record<Value, string>;
  value: Value;
  choose: (value: Value) => void;
}

function Choice<Value extends string>({ label, options, value, choose }: ChoiceProps<Value>) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => choose(event.target.value as Value)}>
        {(Object.keys(options) as Value[]).map((one) => (
          <option key={one} value={one}>
            {options[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** How much, and beside it how much is used: an amount below that refuses from its first moment on. */
export function Amount({ typed, change, used, label }: Props & { label?: string }) {
  const about = useId();
  const below = used !== undefined && isBelow(typed, used);
  return (
    <div className="stack">
      <label>
        {label ?? (typed.measure === "money" ? "Amount, in US dollars" : "Amount")}
        <input
          value={typed.amount}
          onChange={(event) => change({ amount: event.target.value })}
          required
          inputMode={typed.measure === "money" ? "decimal" : "numeric"}
          pattern={typed.measure === "money" ? "[0-9]*[.]?[0-9]+" : "[0-9]+"}
          title={typed.measure === "money" ? "US dollars, such as 25.00" : "Digits"}
          aria-describedby={about}
        />
      </label>
      <p id={about} className="small" role="status">
        {used ? (
          <>
            <span className="muted">
              The fullest has {amount(used.measure, used.used + used.held)} of {amount(used.measure, used.amount)} used now ({whose(used.of)}
              {used.resets_ns ? `, until ${time(used.resets_ns).slice(0, 16)}` : ""}).
            </span>
            {below && <span className="warn"> ! The new amount is below that.</span>}
          </>
        ) : (
          <span className="muted">Nothing of it is used now.</span>
        )}
      </p>
    </div>
  );
}

function Whose({ typed, change }: { typed: Typed; change: (part: Partial<Typed>) => void }) {
  const toggle = (scope: Scope, on: boolean) => change({ per: SCOPES.filter((one) => (one === scope ? on : typed.per.includes(one))) });
  return (
    <>
      <fieldset className={styles.scopes}>
        <legend>One counter for each (none: everybody together)</legend>
        {SCOPES.map((scope) => (
          <label key={scope} className={styles.check}>
            <input type="checkbox" checked={typed.per.includes(scope)} onChange={(event) => toggle(scope, event.target.checked)} />
            {scope}
          </label>
        ))}
      </fieldset>
      <details open={Object.values(typed.match).some((text) => text !== "")}>
        <summary>Only some calls</summary>
        <div className={`columns ${styles.only}`}>
          {SCOPES.map((scope) => (
            <label key={scope}>
              <span>
                Only {scope} <span className="muted">(one a line)</span>
              </span>
              <textarea rows={2} value={typed.match[scope] ?? ""} onChange={(event) => change({ match: { ...typed.match, [scope]: event.target.value } })} />
            </label>
          ))}
        </div>
      </details>
    </>
  );
}

function Zone({ typed, change }: { typed: Typed; change: (part: Partial<Typed>) => void }) {
  const list = useId();
  return (
    <label>
      Days and months begin in
      <input value={typed.timezone} onChange={(event) => change({ timezone: event.target.value })} list={list} placeholder="UTC" />
      <datalist id={list}>
        {["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </label>
  );
}
