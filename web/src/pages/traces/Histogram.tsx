import { type PointerEvent, useId, useRef, useState } from "react";

import type { CallCount } from "../../api/schema";
import { brief, count, time } from "../../parts/format";
import { type Mark, frameOf, wholeness } from "../../parts/frame";
import styles from "./Histogram.module.css";

const HEIGHT = 84;
/** Share of the width below which a drawn span was a click. */
const CLICK = 0.01;

interface Drawn {
  from: number;
  to: number;
}

interface Props {
  counted: CallCount;
  marks: readonly Mark[];
  /** Is the time over that is shown? */
  past: boolean;
  zoom: (from: number, until: number) => void;
}

/** Calls and failures over time, as bars. A span that is drawn with the mouse becomes the time that is looked at. */
export function Histogram({ counted, marks, past, zoom }: Props) {
  const { slots, step_ns } = counted;
  const plot = useRef<SVGSVGElement>(null);
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const id = useId();
  const most = Math.max(1, ...slots.map((slot) => slot.calls));
  const share = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    return box && box.width ? Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) : 0;
  };
  const finish = () => {
    const first = slots[0];
    if (drawn && first && Math.abs(drawn.to - drawn.from) > CLICK) {
      const ns = (part: number) => first.start_ns + part * slots.length * step_ns;
      const [low, high] = [Math.min(drawn.from, drawn.to), Math.max(drawn.from, drawn.to)];
      zoom(Math.floor(ns(low) / 1e6), Math.ceil(ns(high) / 1e6));
    }
    setDrawn(null);
  };
  const slot = over === null ? undefined : slots[over];
  const begun = slots[0]?.start_ns ?? 0;
  const ended = begun + slots.length * step_ns;
  // A slot of which the time shown has only a part has not all of its calls: a low bar would look like a fall.
  const frame = frameOf(slots.map((each) => each.start_ns), counted.since_ns, counted.until_ns, step_ns);
  const said = (index: number) => wholeness(index, slots.length, frame, past);
  const within = marks.filter((mark) => mark.at_ns >= begun && mark.at_ns < ended);
  const beside = slot ? within.filter((mark) => mark.at_ns >= slot.start_ns && mark.at_ns < slot.start_ns + step_ns) : [];
  return (
    <figure className={styles.figure} aria-labelledby={id}>
      <figcaption className="row spread">
        <h2 id={id}>Calls over time</h2>
        <span className="muted small">
          {slot
            ? [`${time(slot.start_ns)}: ${count(slot.calls)} calls, ${count(slot.failed)} failed ${said(slots.indexOf(slot))}`.trimEnd(), ...beside.map((mark) => mark.label)].join(" ┊ ")
            : `${length(step_ns)} a bar, ${brief(most)} at most; drag to zoom`}
        </span>
      </figcaption>
      <div className={styles.frame}>
        <svg
          ref={plot}
          className={styles.plot}
          viewBox={`0 0 ${slots.length} ${HEIGHT}`}
          preserveAspectRatio="none"
          aria-hidden="true"
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            setDrawn({ from: share(event), to: share(event) });
          }}
          onPointerMove={(event) => {
            setOver(Math.min(slots.length - 1, Math.floor(share(event) * slots.length)));
            if (drawn) setDrawn({ ...drawn, to: share(event) });
          }}
          onPointerUp={finish}
          onPointerCancel={() => setDrawn(null)}
          onPointerLeave={() => setOver(null)}
        >
          {slots.map((one, index) => (
            <Bar key={one.start_ns} x={index} calls={one.calls / most} failed={one.failed / most} lit={index === over} whole={!said(index)} />
          ))}
          {within.map((mark) => {
            const x = (mark.at_ns - begun) / step_ns;
            return <line key={`${mark.at_ns} ${mark.label}`} className={styles.mark} x1={x} x2={x} y1={0} y2={HEIGHT} vectorEffect="non-scaling-stroke" />;
          })}
          {drawn && (
            <rect className={styles.drawn} x={Math.min(drawn.from, drawn.to) * slots.length} width={Math.abs(drawn.to - drawn.from) * slots.length} y={0} height={HEIGHT} />
          )}
        </svg>
      </div>
      <div className={`muted small row spread ${styles.ends}`}>
        <span>{time(counted.since_ns)}</span>
        <Legend />
        <span>{time(counted.until_ns)}</span>
      </div>
      <Numbers counted={counted} marks={within} said={said} zoom={zoom} />
    </figure>
  );
}

function Bar({ x, calls, failed, lit, whole }: { x: number; calls: number; failed: number; lit: boolean; whole: boolean }) {
  // What is there is seen, however little it is.
  const [tall, bad] = [calls && Math.max(2, calls * HEIGHT), failed && Math.max(2, failed * HEIGHT)];
  return (
    <g className={whole ? undefined : styles.part}>
      {lit && <rect className={styles.lit} x={x} width={1} y={0} height={HEIGHT} />}
      <rect className={styles.calls} x={x + 0.1} width={0.8} y={HEIGHT - tall} height={tall} />
      <rect className={styles.failed} x={x + 0.1} width={0.8} y={HEIGHT - bad} height={bad} />
    </g>
  );
}

function Legend() {
  return (
    <span className="row">
      <span>
        <span className={`${styles.key} ${styles.callsKey}`} aria-hidden="true" /> calls
      </span>
      <span>
        <span className={`${styles.key} ${styles.failedKey}`} aria-hidden="true" /> of these, failed
      </span>
    </span>
  );
}

interface NumbersProps {
  counted: CallCount;
  marks: readonly Mark[];
  /** What is said of the slot of an index that is not whole. */
  said: (index: number) => string;
  zoom: (from: number, until: number) => void;
}

/** The same for those who do not see bars or have no mouse: each slot can be zoomed into. */
function Numbers({ counted, marks, said, zoom }: NumbersProps) {
  return (
    <details className="small">
      <summary>Numbers</summary>
      <div className={styles.numbers} tabIndex={0} role="region" aria-label="Calls over time: numbers">
        <table>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Calls</th>
              <th scope="col">Failed</th>
            </tr>
          </thead>
          <tbody>
            {counted.slots.map((slot, index) => (
              <tr key={slot.start_ns}>
                <th scope="row">
                  <button type="button" className={styles.slot} onClick={() => zoom(Math.floor(slot.start_ns / 1e6), Math.ceil((slot.start_ns + counted.step_ns) / 1e6))}>
                    {time(slot.start_ns)}
                  </button>
                  {said(index) && ` ${said(index)}`}
                </th>
                <td className="number">{count(slot.calls)}</td>
                <td className="number">{count(slot.failed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {marks.length > 0 && (
          <ul>
            {marks.map((mark) => (
              <li key={`${mark.at_ns} ${mark.label}`}>
                {time(mark.at_ns)}: {mark.label}
              </li>
            ))}
          </ul>
        )}
      </div>
    </details>
  );
}

function length(ns: number): string {
  const seconds = ns / 1e9;
  if (seconds >= 86_400) return `${Math.round(seconds / 86_400)} d`;
  if (seconds >= 3600) return `${Math.round(seconds / 3600)} h`;
  return seconds >= 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}
