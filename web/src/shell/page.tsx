import { useEffect } from "preact/hooks";

import { area, pageStale, trouble } from "../store";
import { path } from "../router";
import { routeOf } from "../routes";
import { Banner } from "./banner";
import { Header } from "./header";
import { Help } from "./help";
import { listenToKeys } from "./keys";
import { ScoreDialog } from "./score";
import { StoryBanner } from "./story";
import { TimeBar } from "./timebar";

/** The whole page: header, navigation, the screen of the path, and the time bar. */
export function Page() {
  const { route, rest } = routeOf(path.value);
  const a = area.value;
  useEffect(listenToKeys, []);
  useEffect(() => {
    document.title = `${rest || route.title} · ${a?.title ?? "Archipel"}`;
  }, [rest, route.title, a?.title]);
  const Screen = route.screen;
  return (
    <div class={pageStale.value ? "page old" : "page"}>
      <a class="skip" href="#screen">Skip to the picture</a>
      <Header route={route} />
      <Banner />
      <StoryBanner />
      <main id="screen" tabIndex={-1} class="screen">
        {a ? <Screen rest={rest} key={route.path} /> : <Waiting />}
      </main>
      {a && <TimeBar />}
      <Help />
      <ScoreDialog />
    </div>
  );
}

function Waiting() {
  return (
    <div class="waiting" role="status">
      <p>Looking for the server …</p>
      {trouble.value && <p class="note">{trouble.value}</p>}
    </div>
  );
}
