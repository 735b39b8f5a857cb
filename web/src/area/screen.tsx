import type { ScreenProps } from "../routes";

export function AreaScreen(_: ScreenProps) {
  return <h1>Area</h1>;
}
