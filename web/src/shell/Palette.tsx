import { Combobox, ComboboxItem, ComboboxList, ComboboxProvider, Dialog } from "@ariakit/react";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";

import { chooseTheme } from "../parts/theme";
import styles from "./Palette.module.css";
import { PLACES } from "./places";

interface Action {
  label: string;
  about: string;
  /** To a page or a window. */
  leads: boolean;
  run: () => void;
}

const ID = /^(req_|trc_|[0-9a-f]{32}$)/;

/** Go anywhere, by a few letters; or to a request by its id. */
export function Palette({ open, close, openKeys }: { open: boolean; close: () => void; openKeys: () => void }) {
  const [text, setText] = useState("");
  const actions = useActions(text, openKeys);
  const chose = useRef(false);
  const finish = () => {
    setText("");
    close();
  };
  return (
    <Dialog
      open={open}
      onClose={finish}
      // What was chosen takes the focus: a page its heading, a window its first field.
      autoFocusOnShow={() => {
        chose.current = false;
        return true;
      }}
      autoFocusOnHide={() => !chose.current}
      className={styles.palette}
      backdrop={<div className={styles.backdrop} />}
      aria-label="Go to"
      unmountOnHide
    >
      <ComboboxProvider setInputValue={setText} inputValue={text} open compositeElementInFocusOrder={false}>
        <Combobox autoSelect="always" data-autofocus placeholder="A page, a request id, text in traces …" className={styles.field} />
        <ComboboxList className={styles.list} alwaysVisible>
          {actions.map((action) => (
            <ComboboxItem
              key={action.label}
              className={styles.item}
              focusOnHover
              hideOnClick={false}
              setValueOnClick={false}
              onClick={() => {
                chose.current = action.leads;
                finish();
                action.run();
              }}
            >
              <span>{action.label}</span>
              <span className={styles.about}>{action.about}</span>
            </ComboboxItem>
          ))}
        </ComboboxList>
      </ComboboxProvider>
    </Dialog>
  );
}

function useActions(text: string, openKeys: () => void): Action[] {
  const navigate = useNavigate();
  return useMemo(() => {
    const wanted = text.trim();
    const small = wanted.toLowerCase();
    const pages: Action[] = PLACES.map((place) => ({
      label: place.label,
      about: `${place.about} · g ${place.key}`,
      leads: true,
      run: () => void navigate({ to: place.to }),
    }));
    const more: Action[] = (["light", "dark"] as const).map((theme) => ({
      label: `Use ${theme} colours`,
      about: "",
      leads: false,
      run: () => chooseTheme(theme),
    }));
    more.push({ label: "Keyboard shortcuts", about: "Which there are; on or off · ?", leads: true, run: openKeys });
    const found = [...pages, ...more].filter((action) => `${action.label} ${action.about}`.toLowerCase().includes(small));
    if (ID.test(wanted)) {
      found.unshift({ label: `Open ${wanted}`, about: "One request", leads: true, run: () => void navigate({ to: "/traces/$id", params: { id: wanted } }) });
    } else if (wanted) {
      found.push({ label: `Search traces: ${wanted}`, about: "", leads: true, run: () => void navigate({ to: "/traces", search: { q: wanted } }) });
    }
    return found;
  }, [text, navigate, openKeys]);
}
