import type { ComponentChildren } from "preact";

import type { Look } from "./cell/limits";

/** One line of a list of facts; colour only where it is not normal. */
export function Fact({ name, look = "normal", children }: { name: string; look?: Look; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={look === "normal" ? "value" : `value is-${look}`}>{children}</dd>
    </div>
  );
}
