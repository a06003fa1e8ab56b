import { useRef, useState } from "react";

import { Button } from "../../parts/Button";

interface ExpectedProps {
  typed: string;
  /** What was answered then, as far as it is known. */
  recorded: string | undefined;
  change: (text: string) => void;
}

/** What a right answer is: typed, or the recorded one, which takes the place of what was typed only when that is said. */
export function Expected({ typed, recorded, change }: ExpectedProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [asks, setAsks] = useState(false);
  const decided = (text: string) => {
    setAsks(false);
    change(text);
    field.current?.focus();
  };
  const take = () => {
    if (recorded === undefined) return;
    if (typed.trim() === "" || typed === recorded) decided(recorded);
    else setAsks(true);
  };
  return (
    <>
      <label>
        What a right answer is (may be empty)
        <textarea ref={field} rows={4} value={typed} onChange={(event) => change(event.target.value)} />
      </label>
      <div className="row">
        <Button kind="plain" disabled={recorded === undefined} onClick={take}>
          Take the recorded answer
        </Button>
        <span role="status">{asks && "It would take the place of what is written here."}</span>
        {asks && (
          <>
            <Button onClick={() => decided(recorded ?? typed)}>Replace</Button>
            <Button onClick={() => decided(typed)}>Keep what is written</Button>
          </>
        )}
      </div>
    </>
  );
}
