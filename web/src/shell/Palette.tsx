import { Combobox, ComboboxItem, ComboboxList, ComboboxProvider, Dialog } from "@ariakit/react";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";

import { inQuotes } from "../parts/calls";
import { type Entry, useEntries } from "./entries";
import { useFound } from "./found";
import styles from "./Palette.module.css";

interface PaletteProps {
  open: boolean;
  close: () => void;
  openKeys: () => void;
}

/** Go anywhere, by a few letters: a page, something by its name, a request by its id. */
export function Palette({ open, close, openKeys }: PaletteProps) {
  const chose = useRef(false);
  return (
    <Dialog
      open={open}
      onClose={close}
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
      <Choice
        openKeys={openKeys}
        choose={(entry) => {
          chose.current = entry.leads;
          close();
          entry.run();
        }}
      />
    </Dialog>
  );
}

function Choice({ openKeys, choose }: { openKeys: () => void; choose: (entry: Entry) => void }) {
  const [text, setText] = useState("");
  const wanted = text.trim();
  const entries = useEntries(wanted, openKeys);
  const found = useFound(wanted);
  const asked = useAsked(wanted);
  const all = [...asked.first, ...entries, ...found, ...asked.last];
  return (
    <ComboboxProvider setInputValue={setText} inputValue={text} open compositeElementInFocusOrder={false}>
      <Combobox
        autoSelect="always"
        data-autofocus
        aria-label="Where to?"
        placeholder="A page, a prompt, a user, a request id …"
        className={styles.field}
      />
      <ComboboxList className={styles.list} alwaysVisible aria-label="Where one can go">
        {all.map((entry) => (
          <ComboboxItem key={entry.id} className={styles.item} focusOnHover hideOnClick={false} setValueOnClick={false} onClick={() => choose(entry)}>
            <bdi>{entry.label}</bdi>
            <bdi className={styles.about}>{entry.about}</bdi>
          </ComboboxItem>
        ))}
      </ComboboxList>
      <p role="status" className="hidden-visually">
        {wanted && `${all.length} found`}
      </p>
    </ComboboxProvider>
  );
}

const REQUEST = /^(req_|trc_|[0-9a-f]{32}$)/;
const RELEASE = /^rel_[0-9a-f]+$/;

/** What is asked for by an id stands first; the search of traces for the text last. */
function useAsked(wanted: string): { first: Entry[]; last: Entry[] } {
  const navigate = useNavigate();
  return useMemo(() => {
    const open = (about: string, run: () => void): Entry => ({ id: "open", label: `Open ${wanted}`, about, leads: true, run });
    const search = () => void navigate({ to: "/traces", search: { q: inQuotes(wanted) } });
    if (REQUEST.test(wanted)) return { first: [open("One request", () => void navigate({ to: "/traces/$id", params: { id: wanted } }))], last: [] };
    if (RELEASE.test(wanted)) return { first: [open("A release", () => void navigate({ to: "/releases/$id", params: { id: wanted } }))], last: [] };
    return { first: [], last: wanted ? [{ id: "search", label: `Search traces: ${wanted}`, about: "", leads: true, run: search }] : [] };
  }, [wanted, navigate]);
}
