// The records of src/archipel/web/nouns.py, name by name, as openapi-typescript gives them.
// `npm run types` writes this file again from the description the server gives.

export interface components {
  schemas: {
    CellInfo: { id: string; parent: string; level: string; x: number; y: number; devices: Record<string, number>; rated_kw: number | null };
    TieInfo: {
      id: string; direction: "vertical" | "horizontal"; upper: string; lower: string; upper_node: number; lower_node: number;
      closed: boolean; metered_at: "upper" | "lower"; branch: number | null;
    };
    Nodes: { id: string[]; x: number[]; y: number[]; cell: number[]; vn_kv: number[]; v_pu_min: number[]; v_pu_max: number[] };
    Branches: { id: string[]; kind: string[]; from_node: number[]; to_node: number[]; cell: number[]; loading_max: number[] };
    Devices: {
      id: string[]; kind: string[]; cell: number[]; node: number[];
      p_kw_min: (number | null)[]; p_kw_max: (number | null)[]; e_kwh: (number | null)[];
    };
    Section: { table: string; column: string; unit: string; count: number };
    Span: { start: string; end: string; step_s: number; live: boolean; factor: number };
    Area: {
      name: string; title: string; kind: "run" | "live" | "demo"; strategies: string[]; f_hz: number;
      import_kw_max: number | null; export_kw_max: number | null; span: components["schemas"]["Span"];
      acts: components["schemas"]["Command"]["act"][];
      cells: components["schemas"]["CellInfo"][]; ties: components["schemas"]["TieInfo"][];
      nodes: components["schemas"]["Nodes"]; branches: components["schemas"]["Branches"];
      devices: components["schemas"]["Devices"]; sections: components["schemas"]["Section"][];
    };
    PriceParts: { energy: number | null; losses: number | null; congestion: number | null; voltage: number | null; fees: number | null };
    TieAgreement: {
      tie: string; upper: string; lower: string; agreed_kw: number | null; default_kw: number; p_kw: number | null;
      price_eur_per_kwh: number | null; parts: components["schemas"]["PriceParts"]; since: string | null; until: string | null;
      plan: string; why: string;
    };
    PlanRecord: {
      time: string; rounds: number | null; messages: number | null; bytes: number | null; gap: number | null;
      accepted: boolean | null; cost_eur: number | null; silent: string[]; given: string[];
    };
    Agreements: { time: string; plan: components["schemas"]["PlanRecord"] | null; ties: components["schemas"]["TieAgreement"][] };
    Curve: { name: string; unit: string; believed: (number | null)[]; true: (number | null)[] };
    NeighbourView: {
      neighbour: string; tie: string; state: "agreed" | "stale" | "silent" | "unknown"; why: string;
      p_kw: (number | null)[]; price_eur_per_kwh: (number | null)[];
    };
    Belief: {
      cell: string; time: string; made: string | null; start: string[]; hours: number[];
      curves: components["schemas"]["Curve"][]; neighbours: components["schemas"]["NeighbourView"][]; level: string;
    };
    Series: { table: string; element: string; time: string[]; columns: Record<string, (number | null)[]> };
    Reason: {
      rule: "limit" | "message" | "rule" | "price" | "tag" | "lease" | "lost"; text: string;
      element?: string; value?: number | null; bound?: number | null; unit?: string;
    };
    Why: {
      subject: "setpoint" | "price" | "refusal"; element: string; time: string; text: string;
      reasons: components["schemas"]["Reason"][];
    };
    Card: {
      id: string; severity: "alarm" | "action" | "compliant" | "information"; title: string; text: string; cause: string;
      begun: string; ended: string | null; cell?: string; element?: string; children?: string[]; acknowledged_by?: string;
    };
    Command: {
      id: string;
      act:
        | "arm" | "disarm" | "default" | "tag" | "untag" | "island" | "rejoin" | "open" | "close" | "limit" | "hold" | "free"
        | "kill" | "start" | "acknowledge";
      element?: string; why?: string; until?: string | null; import_kw_max?: number | null; export_kw_max?: number | null;
      p_kw?: number | null; selection?: string;
    };
    CommandState: {
      command: components["schemas"]["Command"]; who: string;
      phase: "requested" | "accepted" | "executed" | "measured" | "refused" | "failed"; text: string; at: Record<string, string>;
    };
    Selection: {
      id: string; command: components["schemas"]["Command"]; allowed: boolean; text: string;
      effects: components["schemas"]["Reason"][]; valid_until: string;
    };
    Scene: { number: number; of: number; title: string; text: string; begins_s: number; cells?: string[] };
    Figure: { name: string; title: string; unit: string; best: "low" | "high" | ""; values: Record<string, number | null> };
    Score: { title: string; strategies: string[]; figures: components["schemas"]["Figure"][]; complete: boolean };
    RunInfo: {
      id: string; scenario: string; start: string; days: number; forecast: string; seed: number; strategies: string[];
      made: string; complete: boolean; shown: boolean;
    };
    Me: { name: string; role: "view" | "operate" | "administer"; signed_in: boolean };
    Refused: { error: string };
  };
}
