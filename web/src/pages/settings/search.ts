/** What the addresses of these pages hold. */
import { flag, text } from "../../parts/address";

export interface AuditSearch {
  actor?: string;
  /** An action, or its first word. */
  action?: string;
  subject?: string;
}

export interface DoctorSearch {
  /** Are providers' hosts asked too? */
  providers?: boolean;
  /** Are the checks shown too that found nothing? */
  all?: boolean;
}

export const auditSearch = (search: Record<string, unknown>): AuditSearch => ({
  actor: text(search["actor"]),
  action: text(search["action"]),
  subject: text(search["subject"]),
});

export const doctorSearch = (search: Record<string, unknown>): DoctorSearch => ({
  providers: flag(search["providers"]),
  all: flag(search["all"]),
});
