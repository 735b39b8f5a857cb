import "./commands.css";

import { SignInDialog } from "../signin/dialog";
import { WhyPanel } from "../why/why";
import { CommandDialog } from "./dialog";
import { CommandList } from "./list";

/** All dialogs of commands, once on the page. Later ones lie over earlier ones. */
export function Dialogs() {
  return (
    <>
      <CommandList />
      <CommandDialog />
      <WhyPanel />
      <SignInDialog />
    </>
  );
}
