import { count } from "../../parts/format";
import type { Trace } from "./queries";

/** That a very large trace is not shown as a whole, and how one gets all of it; else nothing. */
export function Bounded({ trace: { spans, count: all } }: { trace: Trace }) {
  const id = spans[0]?.trace_id;
  if (spans.length >= all || !id) return null;
  return (
    <p className="warn">
      ! The first {count(spans.length)} of {count(all)} spans: what stands here, times and sums too, is of these. <code>moat traces show {id}</code> has all.
    </p>
  );
}
