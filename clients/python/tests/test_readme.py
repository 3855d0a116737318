"""The first example of README.md, as it is."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs(media, capsys):
    example = re.search(r"```python\n([\s\S]*?)```", README.read_text())[1]
    example = example.replace("demo-output/clip.mp4", str(media / "clip.mp4")).replace("red circle", "red square")
    exec(compile(example, str(README), "exec"), {})
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line.split()[0] for line in lines] == [str(index) for index in range(12)]
    assert all("128, 192)" in line for line in lines)
