/** Why something is done, for the record that stays. */
export function Reason({ value, set, required = false }: { value: string; set: (text: string) => void; required?: boolean }) {
  return (
    <label>
      <span>
        Reason <span className="muted">{required ? "(needed)" : "(may be left out)"}</span>
      </span>
      <input value={value} onChange={(event) => set(event.target.value)} maxLength={2000} required={required} />
    </label>
  );
}
