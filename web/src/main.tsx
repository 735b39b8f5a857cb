import { render } from "preact";

render(<p>Archipel</p>, document.getElementById("page")!);
