"""Runs the unmodified X-AnyLabeling and operates its widgets. Writes what it saw to REPORT as JSON.

Environment: HOME, an empty folder; FRAMES, a folder of pictures; SERVER, the address of the adapter; DISPLAY; CLICKS, pixels on
one object and off it.
"""

import json
import os
import sys
import time
import traceback

FRAMES = os.environ["FRAMES"]
SERVER = os.environ["SERVER"]
CLICKS = json.loads(os.environ["CLICKS"])
sys.argv = ["xanylabeling", "--no-auto-update-check", "--nodata", "--work-dir", os.environ["HOME"], "--filename", FRAMES]

from PyQt6 import QtCore, QtTest, QtWidgets  # noqa: E402

from anylabeling import app  # noqa: E402

report = {"messages": []}


def wait(ms):
    QtTest.QTest.qWait(ms)


def wait_until(holds, what, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        value = holds()
        if value:
            return value
        wait(100)
    raise TimeoutError(what)


def widget(name):
    for one in QtWidgets.QApplication.topLevelWidgets():
        if one.__class__.__name__ == name and one.isVisible():
            return one
    return None


def accept(name, fill=lambda dialog: None):
    """Accepts a modal dialog as soon as it appears."""

    def try_now():
        dialog = widget(name)
        if dialog is None:
            QtCore.QTimer.singleShot(200, try_now)
            return
        fill(dialog)
        dialog.accept()

    QtCore.QTimer.singleShot(200, try_now)


def describe(shapes):
    return [
        {
            "label": shape.label,
            "type": shape.shape_type,
            "group_id": shape.group_id,
            "score": shape.score,
            "points": [[point.x(), point.y()] for point in shape.points],
        }
        for shape in shapes
    ]


def saved():
    return sorted(name for name in os.listdir(FRAMES) if name.endswith(".json"))


def click(canvas, x, y):
    offset = canvas.offset_to_center()
    point = QtCore.QPoint(int((x + offset.x()) * canvas.scale), int((y + offset.y()) * canvas.scale))
    QtTest.QTest.mouseMove(canvas, point)
    wait(100)
    left, none = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier
    QtTest.QTest.mouseClick(canvas, left, none, point)


def operate():
    from anylabeling.views.labeling.utils import batch

    window = wait_until(lambda: widget("MainWindow"), "the window")
    view = window.labeling_widget.view
    wait_until(lambda: view.image_list, "the pictures")
    total = len(view.image_list)
    tool = view.auto_labeling_widget
    tool.model_manager.new_model_status.connect(lambda text: report["messages"].append(str(text)))
    view.toggle_auto_labeling_widget()
    wait(300)
    name = next(one for one in tool.model_info if "remote_server" in one)
    accept("RemoteServerDialog", lambda dialog: dialog.url_input.setText(SERVER))
    tool.on_model_selected("CVHub", name)
    config = lambda: tool.model_manager.loaded_model_config or {}  # noqa: E731
    wait_until(lambda: config().get("type") == "remote_server", "the remote server")
    combo = tool.remote_server_select_combobox
    wait_until(lambda: combo.count() >= 2, "the models")
    report["models"] = [combo.itemText(index) for index in range(combo.count())]
    video = next(index for index, text in enumerate(report["models"]) if "video" in text)
    picture = next(index for index, text in enumerate(report["models"]) if "picture" in text)
    combo.setCurrentIndex(video)
    wait(500)
    canvas = view.canvas

    # A phrase on the first frame, tracked through all frames.
    tool.edit_text.setText("red circle.")
    tool.button_send.click()
    report["phrase"] = describe(wait_until(lambda: canvas.shapes, "the answer to the phrase"))
    accept("BatchRangeDialog", lambda dialog: dialog.from_input.setValue(1))
    batch.run_all_images(view)
    wait_until(lambda: len(saved()) == total, "the saved frames")
    wait(500)

    # Clicks on another object, finished and tracked from there.
    view.load_file(view.image_list[2])
    wait(500)
    tool.button_add_point.click()
    wait(300)
    unnamed = lambda: [one for one in canvas.shapes if one.label == "AUTOLABEL_OBJECT"]  # noqa: E731
    click(canvas, *CLICKS["on"])
    wait_until(unnamed, "the answer to the click")
    tool.button_remove_point.click()
    wait(200)
    marks = lambda: len(config()["model"].marks)  # noqa: E731
    click(canvas, *CLICKS["off"])
    wait_until(lambda: marks() == 2, "the second click")
    wait(1500)
    report["clicks"] = describe(wait_until(unnamed, "the answer to the second click"))

    def name_object(dialog):
        dialog.edit.setText("square")

    accept("LabelDialog", name_object)
    tool.button_finish_object.click()
    wait_until(lambda: not unnamed(), "the finished object")

    def counts():
        return [
            sum(shape["label"] == "square" for shape in json.load(open(os.path.join(FRAMES, name)))["shapes"])
            for name in saved()
        ]

    accept("BatchRangeDialog")
    batch.run_all_images(view)
    wait_until(lambda: sum(counts()) >= total - 2, "the saved frames of the clicked object")
    wait(500)

    # The picture model.
    view.load_file(view.image_list[0])
    combo.setCurrentIndex(picture)
    wait(1000)
    # Marks and the unfinished object have labels that begin with AUTOLABEL.
    named = lambda: sorted(one.label for one in canvas.shapes if not one.label.startswith("AUTOLABEL"))  # noqa: E731
    before = named()
    tool.button_add_point.click()
    wait(300)
    click(canvas, *CLICKS["picture"])
    report["picture"] = describe(wait_until(unnamed, "the answer to the click on a picture"))
    report["kept"] = [before, named()]


def run():
    try:
        operate()
        report["ok"] = True
    except Exception:
        report["error"] = traceback.format_exc()
    finally:
        with open(os.environ["REPORT"], "w", encoding="utf8") as file:
            json.dump(report, file)
        os._exit(0)


original = QtWidgets.QApplication.exec


def execute(*_):
    QtCore.QTimer.singleShot(1000, run)
    return original()


QtWidgets.QApplication.exec = staticmethod(execute)
app.main()
