import asyncio, json, os, struct, sys
from pathlib import Path
import websockets

async def track(url="ws://127.0.0.1:8765/v1", folder="demo-output/frames", phrase="red circle"):
    async with websockets.connect(url, subprotocols=["masklet.v1"], max_size=None) as socket:
        async def ask(picture=None, **request):
            header = json.dumps(request)
            if picture is None:
                await socket.send(header)
            else:  # a binary message: length of the header, header, picture
                await socket.send(struct.pack(">I", len(header)) + header.encode() + picture)
            async for message in socket:
                reply = json.loads(message)
                if reply["type"] == "error":
                    sys.exit(reply["error"]["message"])
                if reply["type"] != "event" and reply["request_id"] == request["request_id"]:
                    return reply

        if key := os.environ.get("MASKLET_KEY"):
            await ask(type="authenticate", request_id="key", key=key)
        started = await ask(type="start_session", request_id="start", live=True)
        session = {"session_id": started["session_id"]}
        for index, path in enumerate(sorted(Path(folder).iterdir())):  # in place of a camera
            frame = await ask(path.read_bytes(), type="push_frame", request_id=f"frame-{index}", **session)
            print(frame["frame_index"], frame["outputs"]["out_obj_ids"], frame["outputs"]["out_boxes_xywh"])
            if index == 0:
                await ask(type="add_prompt", request_id="prompt", **session, frame_index="latest", text=phrase)
        await ask(type="close_session", request_id="close", **session)

asyncio.run(track(*sys.argv[1:]))
