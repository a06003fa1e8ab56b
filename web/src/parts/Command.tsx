import { useState } from "react";

import { Button } from "./Button";
import styles from "./Command.module.css";

/** A command, or anything else worth copying, with the button that copies it. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return (
    <div className={styles.command}>
      <code tabIndex={0}>{text}</code>
      <Button kind="plain" onClick={copy} aria-label={`Copy: ${text}`}>
        {copied ? "Copied" : "Copy"}
      </Button>
    </div>
  );
}
