import { Dialog, DialogDismiss, DialogHeading } from "@ariakit/react";
import type { ReactNode } from "react";

import styles from "./Modal.module.css";

/** A window over the page, for one decision. Escape closes it; the focus goes back where it was. */
export function Modal({ title, open, close, children }: { title: string; open: boolean; close: () => void; children: ReactNode }) {
  return (
    <Dialog open={open} onClose={close} className={styles.modal} backdrop={<div className={styles.backdrop} />} unmountOnHide>
      <header className={styles.head}>
        <DialogHeading>{title}</DialogHeading>
        <DialogDismiss className="button" data-kind="plain" aria-label="Close">
          ✕
        </DialogDismiss>
      </header>
      <div className="stack">{children}</div>
    </Dialog>
  );
}
