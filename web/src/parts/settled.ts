import { useEffect, useMemo, useState } from "react";

/** A value that JSON can hold, once it has been left alone for a moment; the same object for the same content. */
export function useSettled<T>(value: T, ms = 350): T {
  // By content: an object that is made anew at each render would never be left alone.
  const content = JSON.stringify(value);
  const [settled, settle] = useState(content);
  useEffect(() => {
    if (content === settled) return;
    const timer = setTimeout(() => settle(content), ms);
    return () => clearTimeout(timer);
  }, [content, settled, ms]);
  return useMemo(() => JSON.parse(settled) as T, [settled]);
}
