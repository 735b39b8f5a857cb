// The acts an operator can give: their words, what they ask for, and to what they apply.

export type Act =
  | "arm" | "disarm" | "default" | "tag" | "untag" | "island" | "rejoin" | "open" | "close"
  | "limit" | "hold" | "free" | "kill" | "start" | "acknowledge"; // prettier-ignore

/** To what a command can be given. */
export type ElementKind = "area" | "cell" | "tie" | "device" | "card";

export interface ActWords {
  /** On the button. */
  label: string;
  /** On a button in a row of a table. */
  short?: string;
  /** What will happen, for the dialog. */
  intent: string;
  to: ElementKind[];
  /** Operates a switch: a selection with its predicted effect comes before. */
  switches?: true;
  asks?: "limits" | "power";
  /** Ends by itself at a time that must be given. */
  expires?: true;
  /** For rehearsals only. */
  rehearsal?: true;
  /** For administrators only. */
  administers?: true;
  reason?: "needed";
}

export const acts: Record<Act, ActWords> = {
  arm: { label: "Arm", intent: "Let this cell write setpoints to its devices.", to: ["cell"] },
  disarm: {
    label: "Disarm",
    intent: "This cell writes no more setpoints. Leases lapse and its devices go to their local rules.",
    to: ["cell"],
  },
  default: {
    label: "Return to default",
    intent: "Everything goes back to its own default: holds and limits end, devices follow their local rules.",
    to: ["area", "cell"],
  },
  tag: {
    label: "Set a safety tag",
    short: "Tag",
    intent: "People may be working here: nothing that operates or energises this is carried out until the tag is taken off.",
    to: ["cell", "tie", "device"],
    reason: "needed",
  },
  untag: {
    label: "Take the tag off",
    short: "Untag",
    intent: "The safety tag is taken off; commands may operate this again.",
    to: ["cell", "tie", "device"],
    administers: true,
  },
  island: {
    label: "Island",
    intent: "The cell opens its tie to the cell above and runs by itself, as long as its own stores and sources last.",
    to: ["cell"],
    switches: true,
  },
  rejoin: {
    label: "Rejoin",
    intent: "The cell matches voltage, frequency and angle, closes its tie and is one with the cell above again.",
    to: ["cell"],
    switches: true,
  },
  open: { label: "Open", intent: "The switch of this tie opens.", to: ["tie"], switches: true },
  close: { label: "Close", intent: "The switch of this tie closes.", to: ["tie"], switches: true },
  limit: {
    label: "Limit import and export",
    intent: "What flows over this connection stays within these bounds until the time given.",
    to: ["area", "cell"],
    asks: "limits",
    expires: true,
  },
  hold: {
    label: "Hold at a power",
    short: "Hold",
    intent: "The device keeps this power until the time given, as far as its own limits and stored energy let it.",
    to: ["device"],
    asks: "power",
    expires: true,
  },
  free: {
    label: "End hold and limit",
    short: "Free",
    intent: "What was held or limited by command follows its cell again.",
    to: ["area", "cell", "device"],
  },
  kill: { label: "Kill its process", intent: "The process of this cell ends at once, without a goodbye.", to: ["cell"], rehearsal: true, administers: true },
  start: { label: "Start its process", intent: "The process of this cell starts again from its journal.", to: ["cell"], rehearsal: true, administers: true },
  acknowledge: { label: "Acknowledge", intent: "You have seen this card.", to: ["card"] },
};

/** Acts that can be given to a kind of element; none for who may only look. */
export function actsFor(kind: ElementKind, offered: readonly string[], role: string): Act[] {
  if (role === "view") return [];
  return (Object.keys(acts) as Act[]).filter((act) =>
    acts[act].to.includes(kind) && offered.includes(act) && (role === "administer" || !acts[act].administers));
}
