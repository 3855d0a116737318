/** A clip from the camera of this computer, recorded in the browser. */
export interface Recording {
  readonly stream: MediaStream;
  /** Ends the recording and returns the clip. */
  finish(): Promise<File>;
  cancel(): void;
}

/** The first that the browser can record. */
const TYPES = ["video/mp4;codecs=avc1.42E01E", "video/mp4", "video/webm;codecs=vp9", "video/webm"];

/** @throws DOMException when there is no camera, or the person does not allow it. */
export async function startRecording(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: { ideal: 1280 } },
    audio: false,
  });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type)) ?? "";
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const parts: Blob[] = [];
  recorder.addEventListener("dataavailable", ({ data }) => void parts.push(data));
  recorder.start(1000);
  const stopCamera = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  return {
    stream,
    async finish() {
      const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
      recorder.stop();
      await ended;
      stopCamera();
      const isMp4 = recorder.mimeType.startsWith("video/mp4");
      const type = isMp4 ? "video/mp4" : "video/webm";
      return new File(parts, `camera.${isMp4 ? "mp4" : "webm"}`, { type });
    },
    cancel() {
      if (recorder.state !== "inactive") recorder.stop();
      stopCamera();
    },
  };
}
