import { useRef } from "react";

import styles from "./Command.module.css";
import { CopyButton } from "./CopyButton";

/** A command, or anything else worth copying, with the button that copies it. */
export function Command({ text }: { text: string }) {
  const shown = useRef<HTMLElement>(null);
  return (
    <div className={styles.command}>
      <code ref={shown} tabIndex={0}>
        {text}
      </code>
      <CopyButton text={text} of={shown} label={`Copy: ${text}`} />
    </div>
  );
}
