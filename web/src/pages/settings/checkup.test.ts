import { describe, expect, it } from "vitest";

import type { Check, Checkup } from "../../api/schema";
import { areas, summary } from "./checkup";

const check = (name: string, area: Check["area"], standing: Check["standing"]): Check => ({ name, area, standing, looked_at: "", found: "", remedy: "", command: "" });

const CHECKS = [check("limits", "spending", "warning"), check("disk", "stores", "ok"), check("spool", "stores", "unknown"), check("audit log", "stores", "error"), check("git", "project", "ok")];

describe("a checkup", () => {
  it("shows what found something, area by area, what is worst first", () => {
    expect(areas(CHECKS, false).map(({ name, checks }) => [name, checks.map((one) => one.name)])).toEqual([
      ["Stores", ["audit log", "spool"]],
      ["Spending", ["limits"]],
    ]);
  });

  it("shows all of them when asked", () => {
    expect(areas(CHECKS, true).map(({ name }) => name)).toEqual(["Project", "Stores", "Spending"]);
    expect(areas(CHECKS, true)[1]?.checks.map((one) => one.name)).toEqual(["audit log", "spool", "disk"]);
  });

  it("says itself in one line", () => {
    expect(summary({ checks: CHECKS, errors: 1, warnings: 2 } as unknown as Checkup)).toBe("5 checks: 1 error, 2 warnings");
  });
});
