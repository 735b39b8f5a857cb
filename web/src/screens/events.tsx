import type { ScreenProps } from "../routes";

export function EventsScreen(_: ScreenProps) {
  return <h1>Events</h1>;
}
