// Made by `npm run types` from the API's description; not to be changed by hand.

export interface paths {
    "/api/v1/area": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What does not change */
        get: operations["area"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/span": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The time that can be shown */
        get: operations["span"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/frame": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All values at a time */
        get: operations["frame"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/frames": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Up to 240 frames one after the other */
        get: operations["frames"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/telemetry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** WebSocket: a binary frame whenever there is a new one; 426 to who asks without one */
        get: operations["telemetry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Server-sent events: `Happening`s as they come, after `Last-Event-ID` where it is told */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Columns of one element over time */
        get: operations["series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/agreements": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who agreed what, and what prices are made of */
        get: operations["agreements"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/belief": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a cell believed, beside what was true */
        get: operations["belief"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/why": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Why a setpoint, a price or a refusal is what it is */
        get: operations["why"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cards": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What to know or to act on */
        get: operations["cards"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/score": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The strategies side by side */
        get: operations["score"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Finished runs */
        get: operations["runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/score": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The strategies of any run side by side */
        get: operations["run_score"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/commands": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The newest commands, newest first */
        get: operations["commands"];
        put?: never;
        /** Give a command; 200 when its id was carried out before */
        post: operations["command"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/selections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a switching would do */
        post: operations["selection"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign in by token; sets a cookie */
        post: operations["sign_in"];
        /** Sign out */
        delete: operations["sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Area
         * @description What is shown: everything that does not change.
         */
        Area: {
            name: string;
            title: string;
            /** @enum {unknown} */
            kind: "demo" | "live" | "run";
            strategies: string[];
            f_hz: number;
            import_kw_max: number | null;
            export_kw_max: number | null;
            span: components["schemas"]["Span"];
            acts: ("acknowledge" | "arm" | "close" | "default" | "disarm" | "free" | "hold" | "island" | "kill" | "limit" | "open" | "rejoin" | "start" | "tag" | "untag")[];
            cells: components["schemas"]["CellInfo"][];
            ties: components["schemas"]["TieInfo"][];
            nodes: components["schemas"]["Nodes"];
            branches: components["schemas"]["Branches"];
            devices: components["schemas"]["Devices"];
            sections: components["schemas"]["Section"][];
        };
        /**
         * Span
         * @description The time that can be shown.
         */
        Span: {
            /** Format: date-time */
            start: string;
            /** Format: date-time */
            end: string;
            step_s: number;
            live: boolean;
            factor: number;
        };
        /**
         * CellInfo
         * @description A cell, where it is drawn, and what it holds.
         */
        CellInfo: {
            id: string;
            parent: string;
            level: string;
            x: number;
            y: number;
            devices: {
                [key: string]: number;
            };
            rated_kw: number | null;
        };
        /**
         * TieInfo
         * @description What joins two cells.
         */
        TieInfo: {
            id: string;
            /** @enum {unknown} */
            direction: "horizontal" | "vertical";
            upper: string;
            lower: string;
            upper_node: number;
            lower_node: number;
            closed: boolean;
            /** @enum {unknown} */
            metered_at: "lower" | "upper";
            branch: number | null;
        };
        /**
         * Nodes
         * @description All nodes, as columns.
         */
        Nodes: {
            id: string[];
            x: number[];
            y: number[];
            cell: number[];
            vn_kv: number[];
            v_pu_min: number[];
            v_pu_max: number[];
        };
        /**
         * Branches
         * @description All lines and transformers, as columns.
         */
        Branches: {
            id: string[];
            kind: string[];
            from_node: number[];
            to_node: number[];
            cell: number[];
            loading_max: number[];
        };
        /**
         * Devices
         * @description All devices, as columns.
         */
        Devices: {
            id: string[];
            kind: string[];
            cell: number[];
            node: number[];
            p_kw_min: (number | null)[];
            p_kw_max: (number | null)[];
            e_kwh: (number | null)[];
        };
        /**
         * Section
         * @description A column of a table inside a frame: `count` float32 numbers in the order of the table's rows.
         */
        Section: {
            table: string;
            column: string;
            unit: string;
            count: number;
        };
        /**
         * Values
         * @description A frame as JSON.
         */
        Values: {
            seq: number;
            /** Format: date-time */
            time: string;
            /** Format: date-time */
            measured: string;
            live: boolean;
            tables: {
                [key: string]: {
                    [key: string]: (number | null)[];
                };
            };
        };
        /**
         * Series
         * @description Columns of one element over time.
         */
        Series: {
            table: string;
            element: string;
            time: string[];
            columns: {
                [key: string]: (number | null)[];
            };
        };
        /**
         * Agreements
         * @description Who agreed what with whom, at a time.
         */
        Agreements: {
            /** Format: date-time */
            time: string;
            plan: components["schemas"]["PlanRecord"] | null;
            ties: components["schemas"]["TieAgreement"][];
        };
        /**
         * PlanRecord
         * @description How the plan in force came about.
         */
        PlanRecord: {
            /** Format: date-time */
            time: string;
            rounds: number | null;
            messages: number | null;
            bytes: number | null;
            gap: number | null;
            accepted: boolean | null;
            cost_eur: number | null;
            silent: string[];
            given: string[];
        };
        /**
         * TieAgreement
         * @description What holds on a tie.
         */
        TieAgreement: {
            tie: string;
            upper: string;
            lower: string;
            agreed_kw: number | null;
            default_kw: number;
            p_kw: number | null;
            price_eur_per_kwh: number | null;
            parts: components["schemas"]["PriceParts"];
            since: string | null;
            until: string | null;
            plan: string;
            why: string;
        };
        /**
         * PriceParts
         * @description What a price is the sum of [EUR/kWh]; each null where it is not known.
         */
        PriceParts: {
            energy: number | null;
            losses: number | null;
            congestion: number | null;
            voltage: number | null;
            fees: number | null;
        };
        /**
         * Belief
         * @description What a cell believed at a time: its newest plan then.
         */
        Belief: {
            cell: string;
            /** Format: date-time */
            time: string;
            made: string | null;
            start: string[];
            hours: number[];
            curves: components["schemas"]["Curve"][];
            neighbours: components["schemas"]["NeighbourView"][];
            level: string;
            /** @default  */
            note: string;
        };
        /**
         * Curve
         * @description A quantity over the intervals of a `Belief` or `Series`.
         */
        Curve: {
            name: string;
            unit: string;
            believed: (number | null)[];
            true: (number | null)[];
        };
        /**
         * NeighbourView
         * @description What a cell took a neighbour for.
         */
        NeighbourView: {
            neighbour: string;
            tie: string;
            /** @enum {unknown} */
            state: "agreed" | "silent" | "stale" | "unknown";
            why: string;
            p_kw: (number | null)[];
            price_eur_per_kwh: (number | null)[];
        };
        /**
         * Why
         * @description Why a setpoint, a price or a refusal is what it is.
         */
        Why: {
            /** @enum {unknown} */
            subject: "price" | "refusal" | "setpoint";
            element: string;
            /** Format: date-time */
            time: string;
            text: string;
            reasons: components["schemas"]["Reason"][];
        };
        /**
         * Reason
         * @description One ground for a value.
         */
        Reason: {
            /** @enum {unknown} */
            rule: "lease" | "limit" | "lost" | "message" | "price" | "rule" | "tag";
            text: string;
            /** @default  */
            element: string;
            /** @default null */
            value: number | null;
            /** @default null */
            bound: number | null;
            /** @default  */
            unit: string;
        };
        /**
         * Card
         * @description Something to know or to act on; what has one cause is one card.
         */
        Card: {
            id: string;
            /** @enum {unknown} */
            severity: "action" | "alarm" | "compliant" | "information";
            title: string;
            text: string;
            cause: string;
            /** Format: date-time */
            begun: string;
            ended: string | null;
            /** @default  */
            cell: string;
            /** @default  */
            element: string;
            /** @default [] */
            children: string[];
            /** @default  */
            acknowledged_by: string;
        };
        /**
         * Score
         * @description The same time lived several ways.
         */
        Score: {
            title: string;
            strategies: string[];
            figures: components["schemas"]["Figure"][];
            complete: boolean;
        };
        /**
         * Figure
         * @description One line of a score card or comparison.
         */
        Figure: {
            name: string;
            title: string;
            unit: string;
            /** @enum {unknown} */
            best: "" | "high" | "low";
            values: {
                [key: string]: number | null;
            };
        };
        /**
         * RunInfo
         * @description A finished run in the folder of runs.
         */
        RunInfo: {
            id: string;
            scenario: string;
            /** Format: date-time */
            start: string;
            days: number;
            forecast: string;
            seed: number;
            strategies: string[];
            /** Format: date-time */
            made: string;
            complete: boolean;
            shown: boolean;
        };
        /**
         * CommandState
         * @description What became of a command.
         */
        CommandState: {
            command: components["schemas"]["Command"];
            who: string;
            /** @enum {unknown} */
            phase: "accepted" | "executed" | "failed" | "measured" | "refused" | "requested";
            text: string;
            at: {
                [key: string]: string;
            };
        };
        /**
         * Command
         * @description What an operator wants: an intent with an end.
         */
        Command: {
            id: string;
            /** @enum {unknown} */
            act: "acknowledge" | "arm" | "close" | "default" | "disarm" | "free" | "hold" | "island" | "kill" | "limit" | "open" | "rejoin" | "start" | "tag" | "untag";
            /** @default  */
            element: string;
            /** @default  */
            why: string;
            /** @default null */
            until: string | null;
            /** @default null */
            import_kw_max: number | null;
            /** @default null */
            export_kw_max: number | null;
            /** @default null */
            p_kw: number | null;
            /** @default  */
            selection: string;
        };
        /**
         * Selection
         * @description What a switching would do, before it is done.
         */
        Selection: {
            id: string;
            command: components["schemas"]["Command"];
            allowed: boolean;
            text: string;
            effects: components["schemas"]["Reason"][];
            /** Format: date-time */
            valid_until: string;
        };
        /**
         * Me
         * @description Who is signed in.
         */
        Me: {
            name: string;
            /** @enum {unknown} */
            role: "administer" | "operate" | "view";
            signed_in: boolean;
        };
        /**
         * SignIn
         * @description What signs in: a token of the tokens file, or the one-time token of a link.
         */
        SignIn: {
            token: string;
        };
        /**
         * Happening
         * @description One server-sent event.
         */
        Happening: {
            id: number;
            /** @enum {unknown} */
            kind: "card" | "command" | "score" | "span" | "story";
            body: Record<string, never>;
        };
        /**
         * Scene
         * @description A part of the demonstration that begins.
         */
        Scene: {
            number: number;
            of: number;
            title: string;
            text: string;
            begins_s: number;
            /** @default [] */
            cells: string[];
        };
        /**
         * Refused
         * @description Body of every answer with a status of 400 or more.
         */
        Refused: {
            error: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type Area = components['schemas']['Area'];
export type Span = components['schemas']['Span'];
export type CellInfo = components['schemas']['CellInfo'];
export type TieInfo = components['schemas']['TieInfo'];
export type Nodes = components['schemas']['Nodes'];
export type Branches = components['schemas']['Branches'];
export type Devices = components['schemas']['Devices'];
export type Section = components['schemas']['Section'];
export type Values = components['schemas']['Values'];
export type Series = components['schemas']['Series'];
export type Agreements = components['schemas']['Agreements'];
export type PlanRecord = components['schemas']['PlanRecord'];
export type TieAgreement = components['schemas']['TieAgreement'];
export type PriceParts = components['schemas']['PriceParts'];
export type Belief = components['schemas']['Belief'];
export type Curve = components['schemas']['Curve'];
export type NeighbourView = components['schemas']['NeighbourView'];
export type Why = components['schemas']['Why'];
export type Reason = components['schemas']['Reason'];
export type Card = components['schemas']['Card'];
export type Score = components['schemas']['Score'];
export type Figure = components['schemas']['Figure'];
export type RunInfo = components['schemas']['RunInfo'];
export type CommandState = components['schemas']['CommandState'];
export type Command = components['schemas']['Command'];
export type Selection = components['schemas']['Selection'];
export type Me = components['schemas']['Me'];
export type SignIn = components['schemas']['SignIn'];
export type Happening = components['schemas']['Happening'];
export type Scene = components['schemas']['Scene'];
export type Refused = components['schemas']['Refused'];
export type $defs = Record<string, never>;
export interface operations {
    area: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What does not change */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Area"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    span: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The time that can be shown */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Span"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    frame: {
        parameters: {
            query?: {
                time?: string;
                strategy?: string;
                tables?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All values at a time */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Values"];
                    "application/octet-stream": string;
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    frames: {
        parameters: {
            query: {
                start: string;
                end: string;
                step_s?: number;
                strategy?: string;
                tables?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Up to 240 frames one after the other */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": string;
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    telemetry: {
        parameters: {
            query?: {
                tables?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description WebSocket: a binary frame whenever there is a new one; 426 to who asks without one */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: {
                "Last-Event-ID"?: number;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-sent events: `Happening`s as they come, after `Last-Event-ID` where it is told */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    series: {
        parameters: {
            query: {
                table: string;
                element?: string;
                columns: string;
                start: string;
                end: string;
                strategy?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Columns of one element over time */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Series"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    agreements: {
        parameters: {
            query?: {
                time?: string;
                strategy?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who agreed what, and what prices are made of */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Agreements"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    belief: {
        parameters: {
            query: {
                cell: string;
                time?: string;
                strategy?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What a cell believed, beside what was true */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Belief"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    why: {
        parameters: {
            query: {
                subject: "price" | "refusal" | "setpoint";
                element: string;
                time?: string;
                strategy?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Why a setpoint, a price or a refusal is what it is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Why"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    cards: {
        parameters: {
            query?: {
                time?: string;
                strategy?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What to know or to act on */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Card"][];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    score: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The strategies side by side */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Score"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    runs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Finished runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunInfo"][];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    run_score: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The strategies of any run side by side */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Score"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    commands: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The newest commands, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommandState"][];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    command: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Command"];
            };
        };
        responses: {
            /** @description Give a command; 200 when its id was carried out before */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommandState"];
                };
            };
            /** @description Give a command; 200 when its id was carried out before */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CommandState"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    selection: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Command"];
            };
        };
        responses: {
            /** @description What a switching would do */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Selection"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who is signed in */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            /** @description Sign in by token; sets a cookie */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Sign out */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This description */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Refused */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
}
