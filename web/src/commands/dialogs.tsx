import "./commands.css";

import { useEffect } from "preact/hooks";

import { path } from "../router";
import { SignInDialog } from "../signin/dialog";
import { WhyPanel } from "../why/why";
import { commandAsked, listAsked, whyAsked } from "./asking";
import { CommandDialog } from "./dialog";
import { CommandList } from "./list";

/** All dialogs of commands, once on the page. Later ones lie over earlier ones. */
export function Dialogs() {
  const place = path.value;
  // Who follows a link out of a dialog wants to see where it leads.
  useEffect(() => {
    commandAsked.value = null;
    whyAsked.value = null;
    listAsked.value = false;
  }, [place]);
  return (
    <>
      <CommandList />
      <CommandDialog />
      <WhyPanel />
      <SignInDialog />
    </>
  );
}
