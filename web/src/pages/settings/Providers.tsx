import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { answer, api } from "../../api/client";
import type { ConnectionState } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Modal } from "../../parts/Modal";
import { Empty, Failure, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";

const TONES: Record<ConnectionState["standing"], Tone> = { trusted: "good", exempt: "good", new: "warn", withheld: "bad", broken: "bad" };

/** Which host gets which secret. The secrets themselves are never shown. */
export function Providers() {
  const admin = useMay("admin");
  const [asked, ask] = useState<ConnectionState | null>(null);
  const providers = useQuery({ queryKey: ["serving", "providers"], queryFn: ({ signal }) => answer(api.GET("/api/v1/providers", { signal })) });
  const columns: Column<ConnectionState>[] = [
    { key: "provider", header: "Provider", cell: (one) => one.provider, sort: (one) => one.provider },
    { key: "kind", header: "Kind", cell: (one) => one.kind },
    { key: "hosts", header: "Host", cell: (one) => one.hosts.join(", ") },
    { key: "credentials", header: "Credentials", kind: "text", cell: (one) => one.credentials.join(", ") || "none" },
    { key: "standing", header: "Sent?", cell: (one) => <Badge tone={TONES[one.standing]}>{one.standing}</Badge> },
    { key: "problem", header: "Problem", kind: "text", cell: (one) => one.problem },
    {
      key: "trust",
      header: "Trust",
      cell: (one) => (admin && one.standing === "withheld" ? <Button onClick={() => ask(one)}>Trust …</Button> : null),
    },
  ];
  return (
    <Shown query={providers}>
      {(found) =>
        found.length > 0 ? (
          <>
            <Table label="Providers" rows={found} columns={columns} id={(one) => one.provider} />
            <Trust asked={asked} close={() => ask(null)} />
          </>
        ) : (
          <Empty title="moat.yaml names no provider" command="moat init">
            Providers answer the models that aliases lead to.
          </Empty>
        )
      }
    </Shown>
  );
}

function Trust({ asked, close }: { asked: ConnectionState | null; close: () => void }) {
  const queries = useQueryClient();
  const host = asked?.hosts[0] ?? "";
  const trust = useMutation({
    mutationFn: (provider: string) => answer(api.POST("/api/v1/providers/trust", { body: { provider, host } })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["serving", "providers"] });
      close();
    },
  });
  return (
    <Modal title={`Trust ${host}?`} open={asked !== null} close={close}>
      <p>
        {asked?.provider} will send {asked?.credentials.join(", ")} to <code>{host}</code>.
      </p>
      {trust.isError && <Failure error={trust.error} />}
      <div className="row">
        <Button kind="main" disabled={trust.isPending} onClick={() => asked && trust.mutate(asked.provider)}>
          Send them there
        </Button>
        <Button onClick={close}>Cancel</Button>
      </div>
    </Modal>
  );
}
