// Short names for the records of the API.
import type { components } from "./types";

type S = components["schemas"];

export type Area = S["Area"];
export type Section = S["Section"];
export type Span = S["Span"];
export type Agreements = S["Agreements"];
export type TieAgreement = S["TieAgreement"];
export type PlanRecord = S["PlanRecord"];
export type Belief = S["Belief"];
export type Curve = S["Curve"];
export type NeighbourView = S["NeighbourView"];
export type Series = S["Series"];
export type Reason = S["Reason"];
export type Why = S["Why"];
export type Card = S["Card"];
export type Severity = Card["severity"];
export type Command = S["Command"];
export type Act = Command["act"];
export type CommandState = S["CommandState"];
export type Selection = S["Selection"];
export type Scene = S["Scene"];
export type Score = S["Score"];
export type RunInfo = S["RunInfo"];
export type Me = S["Me"];
export type Role = Me["role"];
export type Happening = S["Happening"];
