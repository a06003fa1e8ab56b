import { Dialog, DialogDismiss, DialogHeading } from "@ariakit/react";
import { type KeyboardEvent, type ReactNode, type SyntheticEvent, useRef, useState } from "react";

import styles from "./Modal.module.css";

interface ModalProps {
  title: string;
  open: boolean;
  close: () => void;
  /** Why only its buttons close it, such as a secret that is shown this once. */
  holds?: string | undefined;
  children: ReactNode;
}

const TYPED = "It stays open: what you typed would be lost. ✕ closes it.";

/**
 * A window over the page, for one decision. The focus is on what has `data-autofocus`, else on the first field, and
 * goes back where it was. Escape and a click beside it close it, unless something typed would be lost.
 */
export function Modal({ title, open, close, holds, children }: ModalProps) {
  const typed = useTyped();
  const [kept, setKept] = useState("");
  const mayHide = () => {
    const why = holds ?? (typed.left() ? TYPED : "");
    setKept(why);
    return why === "";
  };
  const shut = () => {
    setKept("");
    close();
  };
  return (
    <Dialog
      open={open}
      onClose={shut}
      hideOnEscape={mayHide}
      hideOnInteractOutside={mayHide}
      autoFocusOnHide={orHeading}
      onInput={typed.note}
      onKeyDown={pressedOnce}
      className={styles.modal}
      backdrop={<div className={styles.backdrop} />}
      unmountOnHide
    >
      <div className={styles.whole}>
        <div className="stack">{children}</div>
        {kept && (
          <p role="status" className={`warn small ${styles.kept}`}>
            ! {kept}
          </p>
        )}
        {/* Behind the fields for the keyboard, above them for the eye. */}
        <header className={styles.head}>
          <DialogHeading>{title}</DialogHeading>
          <DialogDismiss className="button" data-kind="plain" aria-label="Close">
            ✕
          </DialogDismiss>
        </header>
      </div>
    </Dialog>
  );
}

/** Has a field, still there, been written in? What was sent is gone with its form. */
function useTyped() {
  const fields = useRef(new Set<HTMLInputElement | HTMLTextAreaElement>());
  return {
    note: ({ target }: SyntheticEvent) => {
      const writes = target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && !/^(checkbox|radio|range)$/.test(target.type));
      if (writes) fields.current.add(target);
    },
    left: () => [...fields.current].some((field) => field.isConnected && field.value.trim() !== ""),
  };
}

/** The focus goes back to what opened the window; to the page's heading where that is gone. */
function orHeading(opener: HTMLElement | null): boolean {
  if (!opener) document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
  return true;
}

/** The key that opened the window, held down, must not decide too. */
function pressedOnce(event: KeyboardEvent): void {
  if (event.repeat && event.key === "Enter" && event.target instanceof HTMLButtonElement) event.preventDefault();
}
