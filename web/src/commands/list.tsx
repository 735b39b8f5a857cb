import { acts, actsFor } from "./acts";
import { ActButtons } from "./menu";
import { askCommand, listAsked } from "./asking";
import { nameOf } from "./elements";
import { Modal } from "./modal";
import { Stepper } from "./stepper";
import { holdsOf, tagsOf } from "./tags";
import { area, commands, frame, me } from "../store";
import { clock, when } from "../lib/say";
import { WhyButton } from "../why/why";
import type { CommandState } from "../api/nouns";

/** All commands, newest first, each with what became of it; and the tags that are set. */
export function CommandList() {
  if (!listAsked.value) return null;
  const states = commands.value;
  const held = holdsOf(states, frame.value?.time ?? Date.now()).get("upstream");
  const offered = actsFor("area", area.value?.acts ?? [], me.value.role).some((act) => act !== "default");
  const tags = [...tagsOf(states).values()];
  return (
    <Modal title="Commands" onClose={() => { listAsked.value = false; }}>
      {tags.length > 0 && (
        <section class="tags" aria-label="Safety tags">
          <h3>Safety tags</h3>
          <ul>
            {tags.map((tag) => (
              <li key={tag.element}>
                <b>{tag.element}</b> {tag.why} <span class="note">{tag.who}, {when(tag.since, false)} UTC</span>
                {me.value.role !== "view" && area.value?.acts.includes("untag") && (
                  <button type="button" class="button small" onClick={() => askCommand("untag", tag.element)}>Take off</button>
                )}
              </li>
            ))}
          </ul>
        </section>
      )}
      {offered && <div class="upstream-acts">
        <span>The connection upstream</span>
        <ActButtons kind="area" element="upstream" without={held ? ["default"] : ["default", "free"]} />
        {held && <span class="note">limited by {held.who} until {when(held.until, false)} UTC</span>}
      </div>}
      {states.length === 0 && <p class="note">No command was given yet. Cells, ties and devices offer theirs where they are shown; above are those of the whole.</p>}
      <ul class="command-list">
        {states.map((state) => <One key={state.command.id} state={state} />)}
      </ul>
    </Modal>
  );
}

function One({ state }: { state: CommandState }) {
  const { command, who, phase } = state;
  const first = Object.values(state.at).sort()[0];
  const ended = phase === "refused" || phase === "failed";
  return (
    <li>
      <details>
        <summary>
          <time>{clock(first)}</time>
          <b>{acts[command.act].label}</b>
          <span>{area.value && nameOf(area.value, command.element ?? "")}</span>
          <span class={ended ? "phase bad" : "phase"}>{phase}</span>
        </summary>
        <Stepper state={state} />
        <p class="note">
          by {who}{command.why && `: ${command.why}`}{command.until && ` · until ${when(command.until, false)} UTC`}
        </p>
        {ended && <WhyButton subject="refusal" element={command.id} said={state.text} of={`${acts[command.act].label} was ${phase}`} />}
      </details>
    </li>
  );
}
