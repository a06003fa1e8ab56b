import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { Button } from "../parts/Button";
import { Failure } from "../parts/States";
import { answers, isMissing, reload } from "./missing";

const EVERY_MS = 2000;

/** In the place of a page that could not be shown. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter();
  if (isMissing(error)) return <Missing />;
  const again = () => {
    reset();
    void router.invalidate();
  };
  return <Failure error={error} retry={again} />;
}

/** Browsers remember that a file did not come: only a reload asks for it anew, and finds an upgraded server's files too. */
function Missing() {
  const [stuck, setStuck] = useState(false);
  useEffect(() => {
    const timer = setInterval(() => void answers().then((up) => up && setStuck(!reload())), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="panel stack" role="alert">
      <p>
        {stuck
          ? "The server answers, but a part of this page does not come. Its log may say why."
          : "The server does not answer, so this page could not be opened. It opens by itself as soon as the server is there again."}
      </p>
      <p>
        <Button onClick={() => location.reload()}>Reload the page</Button>
      </p>
    </div>
  );
}
