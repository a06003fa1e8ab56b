import { useRef } from "react";

import { CopyButton } from "../../parts/CopyButton";

/** An id, and the button that copies it. */
export function Copy({ what, text }: { what: string; text: string }) {
  const shown = useRef<HTMLElement>(null);
  return (
    <span>
      <span className="muted">{what}</span> <code ref={shown}>{text}</code> <CopyButton text={text} of={shown} label={`Copy ${what.toLowerCase()} id`} />
    </span>
  );
}
