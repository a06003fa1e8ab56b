import type { Assignment } from "../../api/schema";

/** How a release is introduced, in a word. */
export const STRATEGIES: Record<Assignment["strategy"], string> = {
  all: "everybody",
  canary: "canary",
  blue_green: "blue-green",
  ab: "experiment",
  shadow: "shadow",
};

/** `Ada` of `Ada <ada@example.org>`. */
export const person = (actor: string): string => actor.split(" <")[0] || actor;
