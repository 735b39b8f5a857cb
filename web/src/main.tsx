import { render } from "preact";

import "./theme.css";
import "./shell/shell.css";
import { start } from "./connect";
import { readStrategy } from "./router";
import { Page } from "./shell/page";

readStrategy();
render(<Page />, document.getElementById("page")!);
void start();
