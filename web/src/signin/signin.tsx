import { me } from "../store";

export function SignIn() {
  const who = me.value;
  return <span class="note">{who.signed_in ? `${who.name} (${who.role})` : "view"}</span>;
}
