import { useEffect, useState } from "react";

/** A value once it has been left alone for a moment. */
export function useSettled<T>(value: T, ms = 350): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
