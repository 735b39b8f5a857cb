import type { ScreenProps } from "../routes";

export function NetworkScreen(_: ScreenProps) {
  return <h1>Network</h1>;
}
