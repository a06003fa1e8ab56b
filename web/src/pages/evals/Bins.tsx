import type { ScoreBin } from "../../api/schema";
import { count } from "../../parts/format";
import styles from "./Bins.module.css";

const HEIGHT = 20;
const BAR = 11;

/** Of one value, or of a span. */
export const label = (bin: ScoreBin): string => (bin.low === bin.high ? short(bin.low) : `${short(bin.low)} to ${short(bin.high)}`);

const short = (value: number): string => String(Number(value.toFixed(2)));

/** How many cases scored what: a bar for each value or span, the same said in words. */
export function Bins({ bins }: { bins: readonly ScoreBin[] }) {
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  if (bins.length === 0) return <span className="muted">–</span>;
  const words = bins.filter((bin) => bin.count > 0).map((bin) => `${label(bin)}: ${count(bin.count)}`);
  return (
    <span className={styles.bins} title={words.join("\n")}>
      <svg width={bins.length * BAR} height={HEIGHT} aria-hidden="true">
        {bins.map((bin, index) => {
          const height = bin.count ? Math.max(2, (bin.count / most) * HEIGHT) : 1;
          return <rect key={label(bin)} className={styles.bar} x={index * BAR} width={BAR - 2} y={HEIGHT - height} height={height} />;
        })}
      </svg>
      {bins.length <= 3 ? <span className="small">{words.join(" · ")}</span> : <span className="hidden-visually">{words.join(", ")}</span>}
    </span>
  );
}
