import { type RefObject, useState } from "react";

import { Button } from "./Button";

const SHORTCUT = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘ C" : "Ctrl C";

interface Props {
  text: string;
  /** Where the text stands on the page. */
  of: RefObject<HTMLElement | null>;
  /** What the button does, for those who hear it. */
  label: string;
}

/** Copies a text. Over plain http a page has no clipboard: the text is selected then, and a shortcut of the browser copies it. */
export function CopyButton({ text, of, label }: Props) {
  const [said, say] = useState("");
  const copy = async () => {
    if (await copied(text)) {
      say("Copied");
      setTimeout(() => say(""), 1500);
    } else if (of.current) {
      getSelection()?.selectAllChildren(of.current);
      say(`Press ${SHORTCUT}`);
    }
  };
  return (
    <>
      <Button kind="plain" onClick={() => void copy()} aria-label={label}>
        {said === "Copied" ? said : "Copy"}
      </Button>
      <span className={said === "Copied" ? "hidden-visually" : "small"} aria-live="polite">
        {said}
      </span>
    </>
  );
}

async function copied(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  try {
    await clipboard?.writeText(text);
  } catch {
    return false;
  }
  return clipboard !== undefined;
}
