import { Modal } from "../parts/Modal";
import styles from "./KeyList.module.css";
import { PLACES } from "./places";
import { setSingleKeys, useSingleKeys } from "./shortcuts";

const OTHERS = [
  { keys: ["/"], does: "The page's search field" },
  { keys: ["j", "k"], does: "In traces: the next, the one before; Enter opens" },
  { keys: ["?"], does: "This list" },
] as const;

/** Which keys do what; and whether those without Ctrl do anything, in this browser. */
export function KeyList({ open, close }: { open: boolean; close: () => void }) {
  const on = useSingleKeys();
  const lines = [...PLACES.map(({ key, label }) => ({ keys: ["g", key] as readonly string[], does: label })), ...OTHERS];
  return (
    <Modal title="Keyboard shortcuts" open={open} close={close}>
      <label className={styles.switch}>
        <input type="checkbox" checked={on} onChange={(event) => setSingleKeys(event.target.checked)} /> Single-key shortcuts
      </label>
      <p className="muted small">In this browser. Without them, Ctrl K (or Cmd K) and this list are still there: it is in Ctrl K.</p>
      <table className={styles.keys}>
        <caption className="hidden-visually">Single-key shortcuts</caption>
        <tbody>
          {lines.map(({ keys, does }) => (
            <tr key={does}>
              <th scope="row">
                {keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{does}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Modal>
  );
}
