import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";

import { setOver, useOver } from "../api/over";
import { resume, sessionQuery, tellWindows } from "../api/session";
import { Modal } from "../parts/Modal";
import { Ways } from "../pages/welcome/Ways";

const HOLDS = "Close it with ✕ to look at the page. It opens again when the server is asked for something.";

/** Over the page when its session has ended: signing in here leaves everything as it was, with what was typed. */
export function Again() {
  const over = useOver();
  const queries = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const to = useLocation({ select: ({ href }) => href });
  const done = async () => {
    await resume(queries);
    tellWindows(queries.getQueryData(sessionQuery.queryKey) ?? null);
  };
  return (
    <Modal title="Your session has ended" open={over} close={() => setOver(false)} holds={HOLDS}>
      <p>Sign in again to go on. The page stays as it is, with what you typed.</p>
      <Ways to={to} email={session?.account?.email} done={done} />
    </Modal>
  );
}
