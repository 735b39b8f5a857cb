import type { ScreenProps } from "../routes";

export function CellScreen(_: ScreenProps) {
  return <h1>Cell</h1>;
}
