import type { ScreenProps } from "../routes";

export function AgreementsScreen(_: ScreenProps) {
  return <h1>Agreements</h1>;
}
