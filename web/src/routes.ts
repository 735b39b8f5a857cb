// All screens, in the order of the navigation. A screen gets what follows its path (`/cell/LV3.304` gives "LV3.304").
import type { FunctionComponent } from "preact";

import { AgreementsScreen } from "./screens/agreements";
import { CellScreen } from "./screens/cell";
import { EventsScreen } from "./screens/events";
import { RunsScreen } from "./screens/runs";
import { AreaScreen } from "./area/screen";
import { NetworkScreen } from "./network/screen";

export interface ScreenProps {
  rest: string;
}

export interface Route {
  path: string;
  title: string;
  /** Key that leads there. */
  key: string;
  screen: FunctionComponent<ScreenProps>;
}

export const ROUTES: Route[] = [
  { path: "/area", title: "Area", key: "1", screen: AreaScreen },
  { path: "/cell", title: "Cell", key: "2", screen: CellScreen },
  { path: "/network", title: "Network", key: "3", screen: NetworkScreen },
  { path: "/agreements", title: "Agreements", key: "4", screen: AgreementsScreen },
  { path: "/events", title: "Events", key: "5", screen: EventsScreen },
  { path: "/runs", title: "Runs", key: "6", screen: RunsScreen },
];

/** The route of a path, and what follows it; unknown paths lead to the area. */
export function routeOf(path: string): { route: Route; rest: string } {
  const route = ROUTES.find((r) => path === r.path || path.startsWith(r.path + "/"));
  if (!route) return { route: ROUTES[0]!, rest: "" };
  return { route, rest: decodeURIComponent(path.slice(route.path.length + 1)) };
}
