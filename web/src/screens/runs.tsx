import type { ScreenProps } from "../routes";

export function RunsScreen(_: ScreenProps) {
  return <h1>Runs</h1>;
}
