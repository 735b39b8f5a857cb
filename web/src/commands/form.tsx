import type { ComponentChildren } from "preact";

import { kw, known, when } from "../lib/say";
import { span } from "../store";
import { acts } from "./acts";
import { takeFocus } from "./focus";
import { HOURS_MAX, type Draft, type Mistakes, type Room } from "./draft";

interface Props {
  draft: Draft;
  room: Room;
  mistakes: Mistakes;
  onChange: (draft: Draft) => void;
  onSubmit: () => void;
}

/** The fields of an act, each with what it may be. Enter sends. */
export function CommandForm({ draft, room, mistakes, onChange, onSubmit }: Props) {
  const words = acts[draft.act];
  const first = words.asks === "limits" ? "import_kw" : words.asks === "power" ? "p_kw" : words.reason ? "why" : "";
  const field = (name: keyof Draft, label: string, hint: string, unit = "") => (
    <Field key={name} first={name === first} name={name} label={label} hint={hint} unit={unit} mistake={mistakes[name] ?? ""}
      value={draft[name]} onInput={(value) => onChange({ ...draft, [name]: value })} />
  );
  const firm = (most: number | null | undefined): string => (known(most) ? `0 to ${kw(most)}; empty: as it is` : "0 or more; empty: as it is");
  const plate = known(room.p_kw_min) && known(room.p_kw_max)
    ? `${kw(room.p_kw_min)} to ${kw(room.p_kw_max)}; below 0 it gives`
    : "below 0 it gives";
  return (
    <form
      class="command-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {words.asks === "limits" && field("import_kw", "Import at most", firm(room.import_kw_max), "kW")}
      {words.asks === "limits" && field("export_kw", "Export at most", firm(room.export_kw_max), "kW")}
      {words.asks === "power" && field("p_kw", "Power", plate, "kW")}
      {words.expires && field("hours", "Ends after", expiry(draft.hours), "h")}
      {field("why", "Why", words.reason === "needed" ? "kept in the journal" : "may be empty; kept in the journal")}
      <button type="submit" class="quiet" tabIndex={-1} aria-hidden="true" />
    </form>
  );
}

function expiry(hours: string): string {
  const wanted = Number(hours.replace(",", "."));
  const end = Date.parse(span.value?.end ?? "");
  const until = Number.isFinite(wanted) && !Number.isNaN(end) ? `until ${when(end + wanted * 3_600_000, false)} UTC, grid time; ` : "";
  return `${until}at most ${HOURS_MAX} h`;
}

interface FieldProps {
  name: string;
  /** Where the focus begins. */
  first: boolean;
  label: string;
  hint: ComponentChildren;
  unit: string;
  mistake: string;
  value: string;
  onInput: (value: string) => void;
}

function Field({ name, first, label, hint, unit, mistake, value, onInput }: FieldProps) {
  const id = `command-${name}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <span class="field-value">
        <input
          id={id}
          value={value}
          inputMode={unit ? "decimal" : "text"}
          maxLength={unit ? 12 : 400}
          autocomplete="off"
          autofocus={first}
          ref={first ? takeFocus : null}
          class={unit ? "short" : ""}
          aria-invalid={mistake !== ""}
          aria-describedby={`${id}-hint`}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {unit && <span>{unit}</span>}
      </span>
      <p id={`${id}-hint`} class={mistake ? "hint bad" : "hint"}>{mistake || hint}</p>
    </div>
  );
}
