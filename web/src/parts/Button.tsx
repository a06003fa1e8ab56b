import type { ComponentProps } from "react";

/** A button; `main` for the one thing a page is for, `danger` for what takes something away. */
export function Button({ kind, type = "button", ...rest }: ComponentProps<"button"> & { kind?: "main" | "danger" | "plain" }) {
  return <button {...rest} type={type} className="button" data-kind={kind} />;
}
