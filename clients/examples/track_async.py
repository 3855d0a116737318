import asyncio, sys
from masklet import aio

async def track(url="ws://127.0.0.1:8765", video="demo-output/clip.mp4", phrase="red circle"):
    async with await aio.connect(url) as client:  # as masklet.connect, with await and async for
        session = await client.start_session(video)
        await session.add_prompt(text=phrase)
        async for frame in session.propagate():
            for obj_id, mask in zip(frame.ids, frame.masks):
                print(frame.index, obj_id, mask.shape, f"{mask.sum()} pixels")

asyncio.run(track(*sys.argv[1:]))
