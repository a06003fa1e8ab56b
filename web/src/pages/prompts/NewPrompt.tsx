import { useNavigate } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";

const NAME = "[A-Za-z0-9_][A-Za-z0-9_\\-.]*(/[A-Za-z0-9_][A-Za-z0-9_\\-.]*)*";

/** Begin a prompt that there is not yet. Nothing is made before somebody proposes it. */
export function NewPrompt() {
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const begin = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("name");
    if (typeof name === "string") void navigate({ to: "/prompts/$", params: { _splat: name.trim() }, search: { tab: "edit" } });
  };
  return (
    <>
      <Button onClick={() => setOpen(true)}>New prompt</Button>
      <Modal title="New prompt" open={open} close={() => setOpen(false)}>
        <form className="stack" onSubmit={begin}>
          <label>
            Name
            <input name="name" required data-autofocus pattern={NAME} placeholder="support/answer" title="Letters, digits, - and _; folders with /" />
          </label>
          <p className="muted small">You write and try it here; it is made when you propose it and a colleague merges it.</p>
          <div className="row">
            <Button kind="main" type="submit">
              Write it
            </Button>
          </div>
        </form>
      </Modal>
    </>
  );
}
