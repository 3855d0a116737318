/** The annotator: a page that marks objects in videos and follows them. */
import { render } from "preact";
import "./theme/tokens.css";
import "./theme/base.css";
import "./app/app.css";
import "./stage/stage.css";
import "./bring/bring.css";
import { App } from "./app/App.js";
import { listenToKeys } from "./app/keyboard.js";
import { startLayers } from "./app/layers.js";
import { startLink } from "./connection/link.js";
import { addSessionCommands, followActiveSession } from "./session/active-tools.js";
import { sessionCommands } from "./session/session-commands.js";
import { applyTheme } from "./theme/theme.js";
import { toolCommands } from "./tools/tool-commands.js";

applyTheme();
startLayers();
addSessionCommands(sessionCommands);
addSessionCommands(toolCommands);
followActiveSession();
listenToKeys(document);
render(<App />, document.getElementById("app") as HTMLElement);
void startLink();
