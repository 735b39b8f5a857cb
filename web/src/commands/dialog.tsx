// Giving a command: say what you want, look at what a switching would do, watch what becomes of it.
import { useState } from "preact/hooks";

import { api, Refusal } from "../api/client";
import type { Command, CommandState, Selection } from "../api/nouns";
import { takeCommand } from "../connect";
import { area, commands, me, span } from "../store";
import { WhyButton } from "../why/why";
import { acts } from "./acts";
import { askCommand, commandAsked, signInAsked, type CommandAsked } from "./asking";
import { bodyOf, draftOf, mistakesIn } from "./draft";
import { nameOf, roomOf } from "./elements";
import { CommandForm } from "./form";
import { takeFocus } from "./focus";
import { commandId } from "./ids";
import { Modal } from "./modal";
import { settled } from "./phases";
import { Predicted } from "./predicted";
import { Stepper } from "./stepper";

export function CommandDialog() {
  const asked = commandAsked.value;
  if (!asked) return null;
  const close = (): void => {
    commandAsked.value = null;
  };
  const name = area.value ? nameOf(area.value, asked.element) : asked.element;
  return (
    <Modal title={`${acts[asked.act].label}: ${name}`} onClose={close}>
      <Course key={`${asked.act} ${asked.element}`} asked={asked} onClose={close} />
    </Modal>
  );
}

/** Grid time at which an expiry begins to count [ms]. */
function gridNow(): number {
  const end = Date.parse(span.value?.end ?? "");
  return Number.isNaN(end) ? Date.now() : end;
}

function Course({ asked, onClose }: { asked: CommandAsked; onClose: () => void }) {
  const words = acts[asked.act];
  /** Nothing has to be typed: Enter gives it. */
  const plain = !words.asks && !words.reason;
  const room = area.value ? roomOf(area.value, asked.element) : {};
  const [draft, change] = useState(draftOf(asked.act, asked.element));
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [selection, select] = useState<Selection | null>(null);
  const [sent, setSent] = useState<CommandState | null>(null);
  const [refusal, setRefusal] = useState<{ text: string; status: number; id: string } | null>(null);
  const mistakes = mistakesIn(draft, room);

  const ask = async (body: Command, question: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setRefusal(null);
    try {
      await question();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      setRefusal({ text, status: error instanceof Refusal ? error.status : 0, id: body.id });
    } finally {
      setBusy(false);
    }
  };
  const send = (body: Command): Promise<void> =>
    ask(body, async () => {
      const state = await api.command(body);
      takeCommand(state);
      setSent(state);
    });
  const next = (): void => {
    setTried(true);
    if (Object.keys(mistakes).length > 0 || busy) return;
    const body = bodyOf(draft, commandId(), gridNow());
    if (words.switches) void ask(body, async () => select(await api.select(body)));
    else void send(body);
  };
  /** The id of the selection is kept: pressed twice, it is carried out once. */
  const operate = (): void => {
    if (selection) void send(bodyOf(draft, selection.command.id, gridNow(), selection.id));
  };

  if (sent) {
    const state = commands.value.find((one) => one.command.id === sent.command.id) ?? sent;
    return (
      <div class="course">
        <Stepper state={state} />
        {(state.phase === "refused" || state.phase === "failed") && (
          <WhyButton subject="refusal" element={state.command.id} said={state.text} of={`this command was ${state.phase}`} />
        )}
        <div class="modal-foot">
          <button type="button" class="button primary" onClick={onClose} ref={takeFocus}>
            {settled(state.phase) ? "Close" : "Close, it goes on"}
          </button>
        </div>
      </div>
    );
  }
  return (
    <div class="course">
      <p class="intent">{words.intent}</p>
      {words.rehearsal && <p class="note">Rehearsals and the demonstration only.</p>}
      {!selection && <CommandForm draft={draft} room={room} mistakes={tried ? mistakes : {}} onChange={change} onSubmit={next} />}
      {selection && <Predicted selection={selection} onOperate={operate} busy={busy} onAgain={() => select(null)} />}
      {refusal && (
        <div class="refusal" role="alert">
          <p class="bad">{refusal.text}</p>
          {refusal.status === 409 && <WhyButton subject="refusal" element={refusal.id} said={refusal.text} of="this was refused" />}
          {refusal.status === 409 && refusal.text.includes("tag") && area.value?.acts.includes("untag") && asked.act !== "untag" && (
            <button type="button" class="button small" onClick={() => askCommand("untag", asked.element)}>Take the tag off</button>
          )}
          {(refusal.status === 401 || refusal.status === 403) && !me.value.signed_in && (
            <button type="button" class="button" onClick={() => { signInAsked.value = true; }}>Sign in</button>
          )}
        </div>
      )}
      {!selection && (
        <div class="modal-foot">
          <button type="button" class="button" onClick={onClose}>Cancel</button>
          <button type="button" class="button primary" onClick={next} aria-busy={busy} autofocus={plain} ref={plain ? takeFocus : null}>
            {words.switches ? "Select: show what it would do" : words.label}
          </button>
        </div>
      )}
    </div>
  );
}
