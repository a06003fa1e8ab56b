import { useState } from "react";

/** What is typed and not sent yet. It begins anew with `sent` when that changes, as when one goes back. */
export function useTyped<T extends string | Record<string, string>>(sent: T): [T, (typed: T) => void] {
  const of = JSON.stringify(sent);
  const [typed, setTyped] = useState({ of, value: sent });
  return [typed.of === of ? typed.value : sent, (value) => setTyped({ of, value })];
}
