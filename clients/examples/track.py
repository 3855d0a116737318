import asyncio, json, os, sys
import websockets

async def track(url="ws://127.0.0.1:8765/v1", video="demo-output/clip.mp4", phrase="red circle"):
    async with websockets.connect(url, subprotocols=["masklet.v1"], max_size=None) as socket:
        async def send(**request):
            await socket.send(json.dumps(request))

        if key := os.environ.get("MASKLET_KEY"):
            await send(type="authenticate", request_id="0", key=key)
        await send(type="start_session", request_id="1", resource_path=video)
        async for message in socket:
            reply = json.loads(message)
            if reply["type"] == "error":
                sys.exit(reply["error"]["message"])
            elif reply["type"] == "response" and reply["request_id"] == "1":
                session = {"session_id": reply["session_id"]}
                await send(type="add_prompt", request_id="2", **session, frame_index=0, text=phrase)
                await send(type="propagate_in_video", request_id="3", **session)
            elif reply["type"] == "frame":
                print(reply["frame_index"], reply["outputs"]["out_obj_ids"], reply["outputs"]["out_boxes_xywh"])
            elif reply["type"] == "done":
                await send(type="close_session", request_id="4", **session)
                break

asyncio.run(track(*sys.argv[1:]))
