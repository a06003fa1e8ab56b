import { useCallback, useEffect, useId, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

import styles from "./Chart.module.css";
import { time } from "./format";
import { type Mark, type Frame, divided, frameOf, marksIn, marksOf, wholeness } from "./frame";
import { useTheme } from "./theme";

export interface Series {
  label: string;
  /** One for each time; null where there is none. */
  values: readonly (number | null)[];
  /** Lower and upper bound of each value, drawn as a band. */
  band?: { low: readonly (number | null)[]; high: readonly (number | null)[] };
  dashed?: boolean;
}

export interface ChartProps {
  title: string;
  /** Unix nanoseconds, rising. */
  times: readonly number[];
  series: readonly Series[];
  format: (value: number) => string;
  /** Beginning of the time that was asked for: a first slot that began before it is drawn as one that is cut. */
  since_ns?: number;
  /** End of the time that is drawn, mostly now: the last slot is drawn as one that is not over. Else the last time. */
  until_ns?: number;
  marks?: readonly Mark[];
  height?: number;
  /** Is that time over? Then its last slot, where it is cut, stays so. */
  past?: boolean;
  /** Called with the time that the reader drew with the mouse. */
  zoom?: (since_ns: number, until_ns: number) => void;
}

const NO_MARKS: readonly Mark[] = [];

/** Lines over time. Their numbers are also a table, for those who cannot see lines. */
export function Chart(props: ChartProps) {
  // While somebody draws on it, what comes meanwhile waits: the picture would be taken from under the mouse.
  const [held, setHeld] = useState<ChartProps | null>(null);
  const { title, times, series, format, since_ns, until_ns, marks = NO_MARKS, height = 160, past = false } = held ?? props;
  const zoom = useZoom(props.zoom);
  const place = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const id = useId();
  const [at, setAt] = useState<number | null>(null);
  const frame = useMemo(() => frameOf(times, since_ns, until_ns), [times, since_ns, until_ns]);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const drawn = options({ series, format, marks, zoom, frame, theme, hover: setAt });
    const plot = new uPlot({ ...drawn, width: box.clientWidth, height }, data(times, series, frame), box);
    const sized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height }));
    sized.observe(box);
    return () => {
      sized.disconnect();
      plot.destroy();
    };
  }, [times, series, format, marks, zoom, frame, theme, height]);
  const shown = at ?? times.length - 1;
  return (
    <figure className={styles.figure} aria-labelledby={id}>
      <figcaption className={styles.caption}>
        <h3 id={id}>{title}</h3>
        <span className={styles.at}>
          {at !== null && times[at] !== undefined && time(times[at])} {wholeness(shown, times.length, frame, past)}
        </span>
      </figcaption>
      <div
        ref={place}
        className={styles.plot}
        aria-hidden="true"
        onMouseDown={() => {
          if (!zoom) return;
          setHeld(props);
          // Anywhere: the mouse may leave the picture before it is let go.
          addEventListener("mouseup", () => setHeld(null), { once: true });
        }}
      />
      {/* Below the picture: legends of one line and of three leave the pictures of a row beside each other. */}
      <ul className={styles.legend}>
        {series.map((one, index) => (
          <li key={one.label}>
            <Sample index={index} dashed={one.dashed ?? false} /> {one.label}{" "}
            <span className="number">{said(one.values[shown], format)}</span>
          </li>
        ))}
        {at !== null && marksOf(marks, times, at).map((mark) => <li key={`${mark.at_ns} ${mark.label}`}>┊ {mark.label}</li>)}
      </ul>
      <details className="small">
        <summary>Numbers</summary>
        <Numbers {...props} marks={marksIn(marks, frame)} said={(index) => wholeness(index, times.length, frame, past)} />
      </details>
    </figure>
  );
}

/** Always the same function, so that the picture is not drawn anew for another; none where there is nothing to call. */
function useZoom(zoom: ChartProps["zoom"]): ChartProps["zoom"] {
  const latest = useRef(zoom);
  useEffect(() => {
    latest.current = zoom;
  });
  const call = useCallback((since_ns: number, until_ns: number) => latest.current?.(since_ns, until_ns), []);
  return zoom && call;
}

const said = (value: number | null | undefined, format: (value: number) => string) => (value == null ? "–" : format(value));

function Sample({ index, dashed }: { index: number; dashed: boolean }) {
  return (
    <svg width="16" height="8" aria-hidden="true">
      <line x1="0" x2="16" y1="4" y2="4" stroke={`var(--series-${(index % 6) + 1})`} strokeWidth="3" strokeDasharray={dashed ? "4 3" : undefined} />
    </svg>
  );
}

function Numbers({ times, series, format, marks = NO_MARKS, title, said: saidOf }: ChartProps & { said: (index: number) => string }) {
  return (
    <div tabIndex={0} role="region" aria-label={`${title}: numbers`} style={{ maxHeight: 240, overflow: "auto" }}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map((one) => (
              <th key={one.label} scope="col" className="number">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((ns, index) => (
            <tr key={ns}>
              <th scope="row">
                {time(ns)}
                {saidOf(index) && ` ${saidOf(index)}`}
              </th>
              {series.map((one) => (
                <td key={one.label} className="number">
                  {said(one.values[index], format)} {within(one, index, format)}
                </td>
              ))}
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
  );
}

/** `(0.8 to 1.2)`: the band of a value, where it has one. */
function within({ band }: Series, index: number, format: (value: number) => string): string {
  const [low, high] = [band?.low[index], band?.high[index]];
  return low == null || high == null ? "" : `(${format(low)} to ${format(high)})`;
}

function data(times: readonly number[], series: readonly Series[], frame: Frame): uPlot.AlignedData {
  const rows = series.flatMap((one) => {
    const { whole, part } = divided(one.values, frame);
    return one.band ? [whole, part, one.band.high, one.band.low] : [whole, part];
  });
  return [times.map((ns) => ns / 1e9), ...rows.map((values) => [...values])];
}

interface Drawing extends Pick<ChartProps, "series" | "format" | "zoom"> {
  marks: readonly Mark[];
  frame: Frame;
  theme: string;
  hover: (index: number | null) => void;
}

function options({ series, format, marks, zoom, frame, theme, hover }: Drawing): Omit<uPlot.Options, "width" | "height"> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  return {
    class: theme,
    legend: { show: false },
    padding: [8, null, null, null],
    cursor: { y: false, drag: { x: zoom !== undefined, y: false, setScale: false } },
    scales: {
      x: { range: () => [frame.since_ns / 1e9, frame.until_ns / 1e9] },
      y: { range: (_plot, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
    },
    axes: [{ ...axis, size: BELOW, values: (_plot, seconds) => ticks(seconds) }, { ...axis, size: 64, values: (_plot, values) => values.map((value) => format(value)) }],
    ...lines(series, colour),
    hooks: {
      setCursor: [(plot) => hover(plot.cursor.idx ?? null)],
      setSelect: [(plot) => select(plot, zoom)],
      draw: [
        (plot) => drawMarks(plot, marksIn(marks, frame), colour("muted")),
        (plot) => series.forEach((one, index) => drawLone(plot, one, colour(`series-${(index % 6) + 1}`))),
      ],
    },
  };
}

/** Pixels below the picture: the ticks and one line of times. uPlot leaves room for two lines. */
const BELOW = 30;

const hour = new Intl.DateTimeFormat("sv", { timeStyle: "short" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

/** Times of day; days where they begin, or where all ticks are whole days apart. */
function ticks(seconds: readonly number[]): string[] {
  return seconds.map((second, index) => {
    const at = new Date(second * 1000);
    const before = seconds[index - 1];
    const begins = before === undefined || day.format(new Date(before * 1000)) !== day.format(at);
    return begins && (index > 0 || at.getHours() === 0) ? day.format(at) : hour.format(at);
  });
}

function lines(series: readonly Series[], colour: (name: string) => string): Pick<uPlot.Options, "series" | "bands"> {
  const drawn: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  series.forEach((one, index) => {
    const stroke = colour(`series-${(index % 6) + 1}`);
    const points = { show: isSparse(one.values) };
    drawn.push({ label: one.label, stroke, width: 2, dash: one.dashed ? [5, 4] : undefined, points });
    // Of slots that are not whole: what looks like a fall may be none.
    drawn.push({ label: one.label, stroke, width: 1, dash: [2, 3], points });
    if (one.band) {
      const bound = { stroke: "transparent", points: { show: false } };
      bands.push({ series: [drawn.length, drawn.length + 1], fill: `${stroke}33` });
      drawn.push(bound, bound);
    }
  });
  return { series: drawn, bands };
}

/** Between gaps a value is no line: it would not be seen without its point. */
function isSparse(values: readonly (number | null)[]): boolean {
  return values.length < 3 || values.some((value, index) => value !== null && values[index - 1] == null && values[index + 1] == null);
}

function select(plot: uPlot, zoom: ChartProps["zoom"]): void {
  const { left, width } = plot.select;
  if (!zoom || width < 4) return;
  zoom(Math.round(plot.posToVal(left, "x") * 1e9), Math.round(plot.posToVal(left + width, "x") * 1e9));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** A value between gaps has no band beside it to be seen: its bounds are a line through its point. */
function drawLone(plot: uPlot, { values, band }: Series, colour: string): void {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = `${colour}99`;
  ctx.lineWidth = 2 * devicePixelRatio;
  values.forEach((value, index) => {
    const [at, low, high] = [plot.data[0][index], band?.low[index], band?.high[index]];
    const joined = [index - 1, index + 1].some((beside) => band?.low[beside] != null && band.high[beside] != null);
    if (at === undefined || value === null || low == null || high == null || joined) return;
    const x = plot.valToPos(at, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, plot.valToPos(low, "y", true));
    ctx.lineTo(x, plot.valToPos(high, "y", true));
    ctx.stroke();
  });
  ctx.restore();
}

function drawMarks(plot: uPlot, marks: readonly Mark[], colour: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash([2, 3]);
  for (const mark of marks) {
    const x = plot.valToPos(mark.at_ns / 1e9, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
