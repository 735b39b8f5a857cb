// What an operator has at hand on every screen: who is signed in, the commands given, and the way back.
import { useEffect } from "preact/hooks";

import { area, commands, me } from "../store";
import { askCommand, commandAsked, listAsked } from "./asking";
import { settled } from "./phases";
import { tagsOf } from "./tags";

/** Shift and D: one key, then Enter. Never blocked: neither by a dialog that is open nor by an old picture. */
function pressed(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const typing = target.tagName === "INPUT" || target.tagName === "TEXTAREA" || target.tagName === "SELECT";
  if (event.key !== "D" || event.ctrlKey || event.metaKey || event.altKey || typing || !mayReturn()) return;
  event.preventDefault();
  askCommand("default", "");
}

export function mayReturn(): boolean {
  return me.value.role !== "view" && (area.value?.acts.includes("default") ?? false);
}

export function Operator() {
  useEffect(() => {
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const acts = area.value?.acts ?? [];
  if (acts.length === 0) return null;
  const open = commands.value.filter((state) => !settled(state.phase)).length;
  const tags = tagsOf(commands.value).size;
  const told = [open > 0 ? `${open} open` : "", tags > 0 ? `${tags} ${tags === 1 ? "tag" : "tags"}` : ""].filter(Boolean).join(", ");
  return (
    <span class="operator">
      <button type="button" class="button small" onClick={() => { listAsked.value = true; }}>
        Commands{told && <b> ({told})</b>}
      </button>
      {mayReturn() && (
        <button type="button" class="button small way-back" onClick={() => askCommand("default", "")} title="Shift+D"
          aria-keyshortcuts="Shift+D" aria-haspopup="dialog" aria-expanded={commandAsked.value?.act === "default"}>
          Return to default
        </button>
      )}
    </span>
  );
}
