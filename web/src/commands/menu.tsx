import { area, me } from "../store";
import { acts, actsFor, type Act, type ElementKind } from "./acts";
import { askCommand } from "./asking";

interface Props {
  kind: ElementKind;
  element: string;
  /** Acts that make no sense at this moment, such as opening what is open. */
  without?: Act[];
  /** With short words, for a row of a table. */
  small?: boolean;
}

/** Buttons of the acts that may be given to an element; nothing for who may only look. */
export function ActButtons({ kind, element, without = [], small = false }: Props) {
  const offered = actsFor(kind, area.value?.acts ?? [], me.value.role).filter((act) => !without.includes(act));
  if (offered.length === 0) return null;
  return (
    <div class="act-buttons" role="group" aria-label={`Commands for ${element === "upstream" ? "the connection upstream" : element}`}>
      {offered.map((act) => {
        const words = (small && acts[act].short) || acts[act].label;
        return ( // its name begins with what is to be read on it, for who speaks to the page
          <button key={act} type="button" class="button small" onClick={() => askCommand(act, element)}
            aria-label={element ? `${words}: ${element}` : words}>
            {words}
          </button>
        );
      })}
    </div>
  );
}
