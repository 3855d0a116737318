/**
 * A client process that tracks a video until it is killed. Arguments: address, video. Prints the session's token, then one
 * line of JSON for each frame.
 */
import { connect } from "../../clients/typescript/index.js";

const [address = "", resource_path = ""] = process.argv.slice(2);
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const client = await connect(address);
const session = await client.startSession({ resource_path });
print({ token: session.token });
await session.addPrompt({ frame_index: 0, points: [[0.5, 0.5]], point_labels: [1] });
for await (const { seq, frame_index, outputs } of session.propagate()) print({ seq, frame_index, outputs });
await client.close();
