import type { SubmitEvent, ReactNode } from "react";

import { Failure } from "../../parts/States";
import styles from "./Door.module.css";

/** The form in front of the console. What was typed stays when it is refused. */
export function Door(props: { title: string; about?: ReactNode; error: unknown; submit: (form: FormData) => void; children: ReactNode }) {
  const onSubmit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    props.submit(new FormData(event.currentTarget));
  };
  return (
    <main className={styles.door}>
      <form className={`panel stack ${styles.card}`} onSubmit={onSubmit}>
        <h1>{props.title}</h1>
        {props.about && <p className="muted">{props.about}</p>}
        {props.error != null && <Failure error={props.error} />}
        {props.children}
      </form>
    </main>
  );
}

/** A field of a form, as text. */
export const field = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
};
