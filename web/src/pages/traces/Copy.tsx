import { useState } from "react";

import { Button } from "../../parts/Button";

/** An id, and the button that copies it. */
export function Copy({ what, text }: { what: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return (
    <span>
      <span className="muted">{what}</span> <code>{text}</code>{" "}
      <Button kind="plain" onClick={copy} aria-label={`Copy ${what.toLowerCase()} id`}>
        {copied ? "Copied" : "Copy"}
      </Button>
    </span>
  );
}
