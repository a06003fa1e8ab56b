import { useQuery } from "@tanstack/react-query";

import { modelsQuery } from "../api/serving";
import { Command } from "./Command";
import { Empty } from "./States";

/** Nobody has called yet: the two commands that make a first call, which names its user and its session too. */
export function FirstCall() {
  const models = useQuery(modelsQuery);
  const body = JSON.stringify({ model: models.data?.[0] ?? "assistant", user: "u-17", messages: [{ role: "user", content: "Hello" }] });
  const call = [
    `curl ${location.origin}/v1/chat/completions`,
    '-H "authorization: Bearer $MOAT_API_KEY"',
    '-H "content-type: application/json"',
    '-H "x-moat-session: s-1"',
    `-d '${body}'`,
  ];
  return (
    <Empty title="No calls yet">
      <div className="stack">
        <p>
          Every call through the gateway appears here, as soon as it has ended. Make a key in the project&rsquo;s folder, put it into{" "}
          <code>MOAT_API_KEY</code>, and call; or point an OpenAI client&rsquo;s base URL at <code>{location.origin}/v1</code>.
        </p>
        <Command text="moat keys create --name my-app" />
        <Command text={call.join(" \\\n  ")} />
      </div>
    </Empty>
  );
}
