import asyncio, json, os, sys
from pathlib import Path
import websockets

sys.path.append(str(Path(__file__).parent.parent / "python"))
from masklet_masks import decode_message, masks_of

async def track(url="ws://127.0.0.1:8765/v1", video="demo-output/clip.mp4", phrase="red circle"):
    async with websockets.connect(url, subprotocols=["masklet.v1"], max_size=None) as socket:
        async def send(**request):
            await socket.send(json.dumps(request))

        if key := os.environ.get("MASKLET_KEY"):
            await send(type="authenticate", request_id="0", key=key)
        await send(type="start_session", request_id="1", resource_path=video, mask_format="binary")
        async for received in socket:
            message = decode_message(received)  # str or bytes
            if message["type"] == "error":
                sys.exit(message["error"]["message"])
            elif message["type"] == "response" and message["request_id"] == "1":
                session = {"session_id": message["session_id"]}
                await send(type="add_prompt", request_id="2", **session, frame_index=0, text=phrase)
                await send(type="propagate_in_video", request_id="3", **session)
            elif message["type"] == "frame":
                for obj_id, mask in masks_of(message["outputs"]).items():
                    print(message["frame_index"], obj_id, mask.shape, f"{mask.sum()} pixels")
            elif message["type"] == "done":
                await send(type="close_session", request_id="4", **session)
                break

asyncio.run(track(*sys.argv[1:]))
