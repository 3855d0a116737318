/** The thread of the conversions. */
import { serveConversions } from "../conversion-thread.js";
import { CONVERSIONS } from "./conversions.js";

serveConversions(CONVERSIONS);
