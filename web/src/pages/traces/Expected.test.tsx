// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, expect, it } from "vitest";

import { Expected } from "./Expected";

function Field({ begun }: { begun: string }) {
  const [text, setText] = useState(begun);
  return <Expected typed={text} recorded="The recorded one" change={setText} />;
}

const field = () => screen.getByRole<HTMLTextAreaElement>("textbox");
const click = (name: string) => fireEvent.click(screen.getByRole("button", { name }));
const question = () => screen.queryByText("It would take the place of what is written here.");

afterEach(cleanup);

it("takes the recorded answer where nothing is written", () => {
  render(<Field begun=" " />);
  click("Take the recorded answer");
  expect(field().value).toBe("The recorded one");
  expect(document.activeElement).toBe(field());
});

it("asks before it replaces what was typed", () => {
  render(<Field begun="My own words" />);
  click("Take the recorded answer");
  expect(field().value).toBe("My own words");
  expect(question()).not.toBeNull();
  click("Keep what is written");
  expect([field().value, question()]).toEqual(["My own words", null]);
  click("Take the recorded answer");
  click("Replace");
  expect([field().value, question()]).toEqual(["The recorded one", null]);
  expect(document.activeElement).toBe(field());
});
