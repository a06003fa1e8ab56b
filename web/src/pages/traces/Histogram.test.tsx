// @vitest-environment jsdom
import { cleanup, render, screen, within } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { Histogram } from "./Histogram";

const HOUR = 3600e9;
const NOON = 1_795_348_800e9;

/** Three slots of an hour, looked at from a part of the first to a part of the last. */
const counted = (since_ns: number, until_ns: number) => ({
  calls: 3,
  failed: 0,
  since_ns,
  until_ns,
  step_ns: HOUR,
  slots: [0, 1, 2].map((index) => ({ start_ns: NOON + index * HOUR, calls: 1, failed: 0 })),
});

/** What is said of each slot in the table of numbers, and which bars are drawn faintly. */
function shown(since_ns: number, until_ns: number, past: boolean) {
  const { container } = render(<Histogram counted={counted(since_ns, until_ns)} marks={[]} past={past} zoom={() => undefined} />);
  const rows = within(screen.getByRole("table", { hidden: true })).getAllByRole("rowheader", { hidden: true });
  const said = rows.map((row) => /in part|so far/.exec(row.textContent)?.[0] ?? "");
  const faint = [...container.querySelectorAll("svg > g")].map((bar) => bar.hasAttribute("class"));
  cleanup();
  return { said, faint };
}

afterEach(cleanup);

it("says of slots that are cut that they are not whole, and draws them so", () => {
  expect(shown(NOON + HOUR / 2, NOON + 2.5 * HOUR, false)).toEqual({ said: ["in part", "", "so far"], faint: [true, false, true] });
  expect(shown(NOON + HOUR / 2, NOON + 2.5 * HOUR, true)).toEqual({ said: ["in part", "", "in part"], faint: [true, false, true] });
  expect(shown(NOON, NOON + 3 * HOUR, true)).toEqual({ said: ["", "", ""], faint: [false, false, false] });
});
