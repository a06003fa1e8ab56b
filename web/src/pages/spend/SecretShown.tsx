import { Button } from "../../parts/Button";
import { Command } from "../../parts/Command";
import styles from "./Spend.module.css";

/** Why the window with a secret stays open: for `Modal`. */
export const SHOWN_ONCE = "It stays open: the secret is shown this once.";

/** A new secret, this once: it is stored nowhere and cannot be shown again. */
export function SecretShown({ secret, close }: { secret: string; close: () => void }) {
  return (
    <div className="stack">
      <p role="status" className={styles.done}>
        This is the secret. It is shown this once: copy it now.
      </p>
      <Command text={secret} />
      <div>
        <Button onClick={close}>I have copied it</Button>
      </div>
    </div>
  );
}
