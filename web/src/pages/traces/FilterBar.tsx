import { Combobox, ComboboxItem, ComboboxPopover, ComboboxProvider } from "@ariakit/react";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type SyntheticEvent, useId, useMemo, useRef, useState } from "react";

import { Button } from "../../parts/Button";
import styles from "./FilterBar.module.css";
import { FIELDS, type Suggestion, fieldSuggestions, taken, told, typing, valueSuggestions } from "./language";
import { savedQuery, valuesQuery } from "./queries";

const MOST = 12;

/** The field of the filter language: suggests while one types; Enter asks. An error stands below it, with its place. */
export function FilterBar(props: { q: string; since_ns: number | undefined; error: string; search: (q: string) => void; label?: string }) {
  const [text, setText] = useState(props.q);
  const [asked, setAsked] = useState(props.q);
  const [caret, setCaret] = useState(props.q.length);
  const [open, setOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const errorId = useId();
  if (asked !== props.q) {
    // Somebody went back, or followed a link: the field says what is asked.
    setAsked(props.q);
    setText(props.q);
  }
  const at = typing(text, caret);
  const suggestions = useSuggestions(text, caret, props.since_ns, open);
  const take = (suggestion: Suggestion) => {
    if (!at) return;
    const now = taken(text, caret, at, suggestion);
    setText(now.text);
    setCaret(now.caret);
    requestAnimationFrame(() => input.current?.setSelectionRange(now.caret, now.caret));
  };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    setOpen(false);
    props.search(text.trim());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    // Enter asks, unless it takes a suggestion; the first Escape closes these, and does not empty the field.
    if (event.key === "Enter" && !event.currentTarget.getAttribute("aria-activedescendant")) submit(event);
    if (event.key !== "Escape" || !open) return;
    event.preventDefault();
    setOpen(false);
  };
  const type = (now: string) => {
    setText(now);
    setCaret(input.current?.selectionStart ?? now.length);
  };
  return (
    <form className={styles.bar} role="search" onSubmit={submit}>
      <ComboboxProvider inputValue={text} setInputValue={type} open={open && suggestions.length > 0} setOpen={setOpen}>
        <Combobox
          ref={input}
          type="search"
          aria-label={props.label ?? "Filter"}
          aria-invalid={props.error ? true : undefined}
          aria-describedby={props.error ? errorId : undefined}
          className={styles.field}
          placeholder='latency > 2s and not error, user = u-17, "money back"'
          autoSelect={false}
          showOnClick
          spellCheck={false}
          autoCapitalize="off"
          maxLength={4096}
          onKeyDown={onKeyDown}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? text.length)}
        />
        <ComboboxPopover gutter={4} sameWidth className={styles.list} aria-label="Suggestions" unmountOnHide>
          {suggestions.map((one) => (
            <ComboboxItem key={one.text} className={styles.item} value={one.text} setValueOnClick={false} hideOnClick={false} focusOnHover onClick={() => take(one)}>
              <code>{one.text.trim()}</code>
              <span className="muted small">{one.about}</span>
            </ComboboxItem>
          ))}
        </ComboboxPopover>
      </ComboboxProvider>
      <Button type="submit">Search</Button>
      {props.error && <Wrong id={errorId} message={props.error} />}
    </form>
  );
}

function Wrong({ id, message }: { id: string; message: string }) {
  const { what, place, remedy } = told(message);
  return (
    <div id={id} className={`${styles.wrong} stack`} role="alert">
      <strong>{what}</strong>
      {place && <pre className={styles.place}>{place}</pre>}
      {remedy && <span className="small">{remedy}</span>}
    </div>
  );
}

function useSuggestions(text: string, caret: number, since_ns: number | undefined, open: boolean): readonly Suggestion[] {
  const saved = useQuery({ ...savedQuery, enabled: open, retry: false });
  const at = typing(text, caret);
  const known = at?.kind === "value" ? FIELDS[at.field] : undefined;
  const values = useQuery({ ...valuesQuery(known?.by ?? "user", since_ns), enabled: open && known?.by !== undefined });
  return useMemo(() => {
    if (!at) return [];
    const { kind, word } = at;
    const found = kind === "field" ? fieldSuggestions(word, saved.data ?? []) : valueSuggestions(word, [...(known?.values ?? []), ...(known?.by ? (values.data ?? []) : [])]);
    return found.slice(0, MOST);
  }, [at, known, saved.data, values.data]);
}
