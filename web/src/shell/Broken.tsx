import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import { Button } from "../parts/Button";
import { Heading } from "../parts/Heading";
import { Failure } from "../parts/States";
import { answers, missingPart, reloadOnce } from "./missing";

const EVERY_MS = 2000;

/** In the place of a page that could not be shown. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter();
  const part = missingPart(error);
  if (part !== undefined) return <Missing part={part} />;
  const again = () => {
    reset();
    void router.invalidate();
  };
  return <Failure error={error} retry={again} />;
}

/** Is the server away; does it answer, and the page is opened anew; or was that tried, and the part still does not come? */
type Standing = "unknown" | "away" | "opens" | "stuck";

const WORDS: Record<Standing, string> = {
  unknown: "A part of this page did not come. Asking the server …",
  away: "The server does not answer, so nothing of this page came. It opens by itself as soon as the server is there again.",
  opens: "The server answers. The page is opened anew …",
  stuck: "The server answers, but a part of this page does not come, even when it is opened anew. Its log may say why.",
};

/** Browsers remember that a file did not come: only a reload asks for it anew, and finds an upgraded server's files too. */
function Missing({ part }: { part: string }) {
  const [standing, setStanding] = useState<Standing>("unknown");
  const [asking, setAsking] = useState(false);
  const isOver = standing === "stuck" || standing === "opens";
  useEffect(() => {
    if (isOver) return;
    const look = () => void answers().then((up) => setStanding(up ? (reloadOnce(part) ? "opens" : "stuck") : "away"));
    look();
    const timer = setInterval(look, EVERY_MS);
    return () => clearInterval(timer);
  }, [part, isOver]);
  // A page that is reloaded while the server is away is the browser's own, about a server that does not answer.
  const again = async () => {
    setAsking(true);
    if (await answers()) location.reload();
    else setStanding("away");
    setAsking(false);
  };
  return (
    <div className="page">
      <Heading title="This page did not come" />
      <div className="panel stack" role="alert">
        <p>{WORDS[standing]}</p>
        <p>
          <Button onClick={() => void again()} disabled={asking}>
            {asking ? "Asking the server …" : "Try again"}
          </Button>
        </p>
      </div>
    </div>
  );
}
